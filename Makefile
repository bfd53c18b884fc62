# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The few commands that people type.  meson does the building; this only
# calls it (`make help`).

SHELL = /bin/sh
.DELETE_ON_ERROR:
.PHONY: all help demo check soak fuzz tsan lint valgrind coverage bench \
    install deb rpm clean format

# Installed below this prefix; DESTDIR is honoured too.
prefix =

all:
	@scripts/deps.sh --dry-run build
	@scripts/build.sh build $(if $(prefix),-Dprefix=$(prefix))

help:
	@echo 'make            build what is installed, in build/'
	@echo 'make demo       back up and restore a throw-away VM, and compare'
	@echo 'make check      build with checks, run all tests (in build-check/)'
	@echo 'make soak       random chains, kills and damage as long as wanted:'
	@echo '                CHAINS=n (100), POINTS=n (60), SWEEP=n, CRASHES=n'
	@echo '                (all; build/sweep.state: goes on), MUTATIONS=n'
	@echo '                (100000), MEGABYTES=n read of mapped disks'
	@echo '                (20480), SEED=n'
	@echo 'make tsan       the tests of what has threads, under ThreadSanitizer'
	@echo 'make lint       gcc -fanalyzer, clang-tidy and cppcheck'
	@echo 'make valgrind   the unit tests, and some backups and restores, under it'
	@echo 'make coverage   which lines and branches the tests reach: fails below'
	@echo '                90 and 80 %'
	@echo 'make bench      how fast all this is here, beside the Python suite and'
	@echo '                the limits: SCENARIOS="full lz4" (all), ROUNDS=n (3),'
	@echo '                GIB=n, size of the disk (4)'
	@echo 'make fuzz       search for inputs that break something, on from where'
	@echo '                the last search ended: TARGET=name (all), RUNS=n'
	@echo '                (1000000), JOBS=n at a time (1)'
	@echo 'make install    install; prefix=DIR (default /usr/local), DESTDIR=DIR'
	@echo 'make deb        build Debian packages, in dist/'
	@echo 'make rpm        build RPM packages, in dist/'
	@echo 'make format     lay the sources out as .clang-format says'
	@echo 'make clean      remove the build directories'
	@echo
	@echo 'demo, check, deb and rpm install the packages they miss when run as root.'

demo:
	@scripts/deps.sh build demo
	@scripts/build.sh build
	@demo/demo.sh build

check:
	@scripts/deps.sh build demo check
	@scripts/check.sh

CHAINS = 100
POINTS = 60
SWEEP = all
CRASHES = all
MUTATIONS = 100000
MEGABYTES = 20480
SEED =

soak:
	@scripts/deps.sh build demo check
	@scripts/build.sh build
	@BACKUP=$$PWD/build/backup/virtnbdbackup \
	    RESTORE=$$PWD/build/restore/virtnbdrestore \
	    PLUGIN=$$PWD/build/map/virtnbdmap-plugin.so \
	    tests/model/chains.bash --chains $(CHAINS) --points 10 \
	    $(if $(SEED),--seed $(SEED))
	@BACKUP=$$PWD/build/backup/virtnbdbackup \
	    RESTORE=$$PWD/build/restore/virtnbdrestore POINTS=$(POINTS) \
	    $(if $(SEED),SEED=$(SEED)) bats tests/faults/kill.bats
	@BACKUP=$$PWD/build/backup/virtnbdbackup \
	    RESTORE=$$PWD/build/restore/virtnbdrestore \
	    SHORT_IO=$$PWD/build/tests/faults/short-io.so \
	    tests/faults/sweep.bash --kill $(SWEEP) --fail $(SWEEP) \
	    --short $(SWEEP) --state build/sweep.state --keep-going \
	    $(if $(SEED),--seed $(SEED))
	@BACKUP=$$PWD/build/backup/virtnbdbackup \
	    RESTORE=$$PWD/build/restore/virtnbdrestore \
	    tests/faults/crash.bash --random 20 --next $(CRASHES) \
	    $(if $(SEED),--seed $(SEED))
	@BACKUP=$$PWD/build/backup/virtnbdbackup SOAK=1 \
	    RESTORE=$$PWD/build/restore/virtnbdrestore \
	    bats tests/faults/guest.bats
	@BACKUP=$$PWD/build/backup/virtnbdbackup SOAK=1 \
	    RESTORE=$$PWD/build/restore/virtnbdrestore \
	    bats --filter 'ended at ten points' tests/remote
	@MUTATIONS=$(MUTATIONS) $(if $(SEED),SEED=$(SEED)) \
	    build/tests/restore/test-mutations
	@RESTORE=$$PWD/build/restore/virtnbdrestore \
	    MAKE_SET=$$PWD/build/tests/restore/make-set MUTATIONS=100 \
	    $(if $(SEED),SEED=$(SEED)) bats tests/restore/mutations.bats
	@BACKUP=$$PWD/build/backup/virtnbdbackup \
	    MAP=$$PWD/build/map/virtnbdmap \
	    RESTORE=$$PWD/build/restore/virtnbdrestore \
	    PLUGIN=$$PWD/build/map/virtnbdmap-plugin.so POINTS=$(POINTS) \
	    $(if $(SEED),SEED=$(SEED)) bats tests/map/kill.bats
	@MEGABYTES=$(MEGABYTES) $(if $(SEED),SEED=$(SEED)) \
	    build/tests/map/test-map-view

# What has threads, under ThreadSanitizer.
tsan_tests = disk disk-changes disk-faults disk-raw disk-rate map-cache map-view \
    progress pull push \
    restore-disk segment status workers zip

tsan:
	@scripts/deps.sh build demo check
	@scripts/build.sh build-tsan -Db_sanitize=thread -Db_lundef=false
	@TSAN_OPTIONS=halt_on_error=1 meson test -C build-tsan --no-rebuild \
	    -t 10 $(tsan_tests)

lint:
	@scripts/deps.sh build lint
	@scripts/lint.sh

valgrind:
	@scripts/deps.sh build demo check lint
	@scripts/build.sh build
	@scripts/valgrind.sh build

coverage:
	@scripts/deps.sh build demo check lint
	@scripts/coverage.sh build-coverage

SCENARIOS =
ROUNDS = 3
GIB = 4

# TARGET, RUNS and JOBS are handed on by make itself.
export TARGET RUNS JOBS

fuzz:
	@scripts/deps.sh build check fuzz
	@scripts/fuzz.sh

bench:
	@scripts/deps.sh build demo check
	@scripts/build.sh build
	@ROUNDS=$(ROUNDS) GIB=$(GIB) tests/bench/bench.bash build $(SCENARIOS)
	@$(if $(SCENARIOS),:,tests/bench/map.sh build)

install: all
	@meson install -C build --no-rebuild

deb rpm:
	@scripts/deps.sh build $@
	@scripts/package.sh $@ dist
	@ls dist/*.$@

format:
	@find backup common map restore tests -name '*.[ch]' -exec \
	    clang-format-14 -i {} +

clean:
	rm -rf build build-analyzer build-check build-clang build-coverage \
	    build-fuzz build-lint build-tsan dist
