# What has to be so when a reader comes to a command, on a machine where it is not
# 2026-06-12 and nothing has been going on for months.
s/2026-06-12T12:00/$(date -u +%FT%TZ)/
s/2026-06-11/$(date -u +%F)/
/-d vm1 -l inc -o .backup.vm1-2026-06/{
    p
    p
}
/-N vm1 --keep-mac/{
    i virsh destroy vm1; virsh undefine vm1 --checkpoints-metadata
    a virsh undefine vm1; virsh define /tmp/vm1.xml; virsh start vm1
}
/virsh start vm1-june/a virsh destroy vm1-june; virsh undefine vm1-june
/-d vda \\$/i truncate -s 64M /dev/vg0/vm1
/-i .rescued/i mkdir /rescued; cp /backup/vm1-2026-06/*.data /rescued
/nbdcopy/s,/dev/vg0/restored,/tmp/restored,
/-d try -k/i virtnbdbackup -d try -s -o /backup/try
/backup.try-2026-11/i cp -R /backup/vm1 /backup/try-2026-11; virsh destroy try; virsh undefine try
