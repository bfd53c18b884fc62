#!/usr/bin/perl
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# md2pod.pl - a manual page from a document
#
# usage: md2pod.pl "NAME - what it is" "SEE ALSO" FILE.md >FILE.pod
#
# So that FORMAT.md is written once.  Knows what that uses of Markdown:
# headings, paragraphs, lists, tables, fenced code, `code`, **bold**, *italics*
# and links.  What else there may be in a line is text.  A table becomes a list,
# whose items are its first column, or columns if those are numbers.

use strict;
use warnings;

my ($title, $see_also, $file) = @ARGV;
die "usage: md2pod.pl TITLE SEE-ALSO FILE\n" unless defined $file;
open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
binmode STDOUT, ':encoding(UTF-8)';

sub escape {
    my ($text) = @_;
    $text =~ s/([<>])/$1 eq '<' ? "E<lt>" : "E<gt>"/ge;
    return $text;
}

# The markup inside of a paragraph.
sub inline {
    my ($text) = @_;
    my $out = '';
    while ($text =~ /\G(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*|\[[^]]+\]\([^)]+\)|.)/gs) {
        my $part = $1;
        if ($part =~ /^`(.+)`$/s) {
            $out .= 'C<' . escape($1) . '>';
        } elsif ($part =~ /^\*\*(.+)\*\*$/s) {
            $out .= 'B<' . inline($1) . '>';
        } elsif ($part =~ /^\*(.+)\*$/s) {
            $out .= 'I<' . inline($1) . '>';
        } elsif ($part =~ /^\[(.+)\]\(.+\)$/s) {
            $out .= inline($1);
        } else {
            $out .= escape($part);
        }
    }
    return $out;
}

my @paragraph;
my ($code, $list) = (0, 0);

sub end_paragraph {
    print inline(join ' ', @paragraph), "\n\n" if @paragraph;
    @paragraph = ();
}

sub cells {
    my ($line) = @_;
    $line =~ s/^\|\s*|\s*\|$//g;
    return [split /\s*\|\s*/, $line, -1];
}

# A table of numbers: as it is, the last column in as many lines as it needs.
sub print_columns {
    my @rows = @_;
    my @width;
    for my $row (@rows) {
        s/[`*]//g for @$row;
        for my $i (0 .. $#$row - 1) {
            my $length = length $row->[$i];
            $width[$i] = $length if $length > ($width[$i] // 0);
        }
    }
    my $indent = 4;
    $indent += $_ + 2 for @width;
    for my $row (@rows) {
        my $line = '    ';
        $line .= sprintf "%-$width[$_]s  ", $row->[$_] for 0 .. $#$row - 1;
        for my $word (split ' ', $row->[-1]) {
            if (length("$line$word") > 76) {
                print $line =~ s/\s+$//r, "\n";
                $line = ' ' x $indent;
            }
            $line .= "$word ";
        }
        print $line =~ s/\s+$//r, "\n";
    }
    print "\n";
}

sub print_items {
    my ($header, @rows) = @_;
    print "=over 4\n\n";
    for my $row (@rows) {
        my @rest;
        for my $i (1 .. $#$row) {
            next if $row->[$i] eq '';
            my $name = @$header > 2 ? "$header->[$i]: " : '';
            push @rest, $name . $row->[$i];
        }
        print '=item ', inline($row->[0]), "\n\n";
        print inline(join '; ', @rest), "\n\n";
    }
    print "=back\n\n";
}

my @table;

sub end_table {
    return unless @table;
    my @rows = grep { $_->[0] !~ /^-+$/ } map { cells($_) } @table;
    @table = ();
    if (grep { $_->[0] =~ /^\d+$/ } @rows) {
        print_columns(@rows);
    } else {
        print_items(@rows);
    }
}

sub end_list {
    end_paragraph();
    end_table();
    print "=back\n\n" if $list;
    $list = 0;
}

print "=encoding utf8\n\n=head1 NAME\n\n$title\n\n=head1 DESCRIPTION\n\n";
my $first = 1;
while (my $line = <$in>) {
    chomp $line;
    if ($line =~ /^```/) {
        end_paragraph();
        $code = !$code;
        print "\n" unless $code;
    } elsif ($code) {
        print $line eq '' ? "\n" : "    $line\n";
    } elsif ($line =~ /^(#+)\s+(.*)/) {
        end_list();
        # The document's own title is in NAME.
        if (!$first) {
            print length $1 == 1 ? '=head1 ' : '=head2 ', inline($2), "\n\n";
        }
        $first = 0;
    } elsif ($line =~ /^\|/) {
        end_list() unless @table;
        push @table, $line;
    } elsif ($line =~ /^(?:-|(\d+\.)) +(.*)/) {
        end_table();
        end_paragraph();
        print "=over 4\n\n" unless $list;
        $list = 1;
        print '=item ', $1 // '*', "\n\n";
        push @paragraph, $2;
    } elsif ($line eq '') {
        end_paragraph();
        end_table();
    } else {
        # A paragraph at the margin ends the list above it.
        end_list() if $list && !@paragraph && $line !~ /^ /;
        $line =~ s/^\s+//;
        push @paragraph, $line;
    }
}
end_list();
print "=head1 SEE ALSO\n\n$see_also\n";
