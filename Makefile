# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make               everything into build/ (B=DIR: there); WERROR= lets a compiler's new warnings pass
# make test          install what is missing, build with sanitizers, run all tests
# make demo          see it work, in namespaces of its own
# make install       DESTDIR= PREFIX=/usr/local CNIBINDIR=/opt/cni/bin (and: make uninstall)
# make bench         figures; wants a quiet machine (bench-check: against the kept baseline)
# make test-flows    a long run of random connections through netfilter; PODLANE_SEED repeats it
# make test-kernels  the network tests on Debian's kernels under qemu; KERNELS="6.1 6.12"
# make verifier-baseline  after a change of bpf/ that has a reason to make the verifier's work grow
# make lint          format, the floors of agent/, clang-tidy, shellcheck, man pages, and the other compiler
# make fuzz          every libFuzzer target; FUZZ_SECONDS=60 each
# make compile_commands.json  for editors and clang-tidy
# make clean         remove what was built
# V=1 shows the commands.

PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/podlane
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITDIR    ?= $(PREFIX)/lib/systemd/system
CNIBINDIR  ?= /opt/cni/bin
NETAVARKDIR ?= $(PREFIX)/lib/netavark
LIBDIR     ?= $(PREFIX)/lib/podlane
B          ?= build
$(if $(strip $(B)),,$(error B is empty: it names the folder to build in, which "make clean" removes))
# -D options for the agent and the BPF programs alike
DEFS       ?=

CC         ?= cc
CLANG      ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL    ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config

VERSION    := 0.1.0
WERROR     ?= -Werror
# What gcc calls "maybe uninitialized" hangs on what it inlined, so every release and every -O finds
# others, none of them true so far. clang's own warning and its analyzer (tests/lint tidy) look for real ones.
WARN       := -Wall -Wextra $(WERROR) -Wimplicit-fallthrough -Wmissing-prototypes -Wundef -Wshadow \
	      -Wno-unused-parameter -Wno-missing-field-initializers -Wno-unknown-warning-option -Wno-maybe-uninitialized
CFLAGS     ?= -O2 -g
OWN_CPPFLAGS = -D_GNU_SOURCE -DPL_VERSION='"$(VERSION)"' $(DEFS) -Iinclude -Iagent -I$(B)
ALL_CFLAGS  = -std=gnu11 -pthread $(WARN) -MMD -MP $(OWN_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(SANITIZE)
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 $(filter-out -Wshadow -Wmissing-prototypes,$(WARN)) -Iinclude -Ibpf \
	      -idirafter /usr/include/$(shell uname -m)-linux-gnu
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

podlaned_LIBS = libbpf libmnl jansson libevent libnftables libcap-ng
podlane_LIBS  = jansson libmnl libpcap
cni_LIBS      = jansson libmnl
libs = $(shell $(PKG_CONFIG) --libs $(1))

comma := ,
src  = $(sort $(wildcard agent/$(1)/*.c))
objs = $(patsubst %.c,$(B)/%.o,$(call src,$(1)))
# The folders of agent/ that podlaned is made of, lowest first: tests/lint knows who may include whom.
DAEMON_PARTS := ipam datapath reconcile host endpoint mirror control daemon
COMMON := $(B)/libpodlane-common.a
FILTER := $(B)/libpodlane-filter.a
DAEMON := $(B)/libpodlane-daemon.a
CNI    := $(B)/libpodlane-cni.a
CLI    := $(B)/libpodlane-cli.a
Q      := $(if $(V),,@)
run     = $(Q)$(if $(V),,printf '  %-4s %s\n' $(1) $@; )
BINS   := $(B)/podlaned $(B)/podlane $(B)/podlane-cni

all: $(BINS)

# One sentence in place of what a shell, a linker or pkg-config would say.
TOOL_LIBS := $(sort $(podlaned_LIBS) $(podlane_LIBS) $(cni_LIBS))
$(B)/.tools: Makefile
	@mkdir -p $(@D)
	$(Q)lacking=; for t in $(firstword $(CC)) $(firstword $(CLANG)) $(LLVM_STRIP) $(BPFTOOL) $(PKG_CONFIG); do \
		command -v $$t >/dev/null || lacking="$$lacking $$t"; done; \
	for l in $(TOOL_LIBS); do $(PKG_CONFIG) --exists $$l 2>/dev/null || lacking="$$lacking $$l"; done; \
	[ -z "$$lacking" ] || { echo "podlane: a build needs these, which are not here:$$lacking;" \
		"scripts/install-deps build installs what Debian has of it" >&2; exit 1; }
	$(Q)touch $@

BPF_SOURCE := bpf/podlane.bpf.c # the bench builds another
$(B)/podlane.bpf.o $(B)/podlane-nokfunc.bpf.o: $(BPF_SOURCE) bpf/podlane.bpf.c $(wildcard bpf/lib/*.h) $(wildcard include/podlane/*.h) Makefile | $(B)/.tools
	@mkdir -p $(@D)
	$(call run,BPF)$(CLANG) $(BPF_CFLAGS) $(DEFS) $(BPF_DEFS) -c $< -o $@.tmp
	$(Q)$(LLVM_STRIP) -g $@.tmp -o $@ && rm $@.tmp
# The same without functions of the kernel, for kernels without BTF: see agent/datapath/skel.c.
$(B)/podlane-nokfunc.bpf.o: BPF_DEFS = -DPL_NO_KFUNCS

SKELETONS := $(B)/podlane.skel.h $(B)/podlane-nokfunc.skel.h
$(B)/podlane.skel.h: NAME = podlane_bpf
$(B)/podlane-nokfunc.skel.h: NAME = podlane_nokfunc
$(SKELETONS): %.skel.h: %.bpf.o
	$(call run,GEN)$(BPFTOOL) gen skeleton $< name $(NAME) >$@.tmp && mv $@.tmp $@

$(call objs,datapath) $(patsubst %.c,$(B)/%.o,$(wildcard tests/prog/*.c tests/tools/*.c)): | $(SKELETONS)
$(B)/%.o: %.c Makefile | $(B)/.tools
	@mkdir -p $(@D)
	$(call run,CC)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(COMMON): $(call objs,common) $(call objs,netlink)
$(FILTER): $(call objs,filter)
$(DAEMON): $(filter-out $(B)/agent/daemon/main.o,$(foreach part,$(DAEMON_PARTS),$(call objs,$(part)))) # the tests link it
$(CNI): $(filter-out $(B)/agent/cni/main.o,$(call objs,cni))
$(CLI): $(filter-out $(B)/agent/cli/main.o,$(call objs,cli))
$(COMMON) $(FILTER) $(DAEMON) $(CNI) $(CLI):
	@mkdir -p $(@D)
	$(call run,AR)rm -f $@ && $(AR) rcs $@ $^

link = $(CC) $(ALL_CFLAGS) $(LDFLAGS) $(filter %.o %.a,$^) -o $@ $(call libs,$(1))
$(B)/podlaned: $(B)/agent/daemon/main.o $(DAEMON) $(FILTER) $(COMMON)
	$(call run,LD)$(call link,$(podlaned_LIBS))
$(B)/podlane: $(B)/agent/cli/main.o $(CLI) $(FILTER) $(COMMON)
	$(call run,LD)$(call link,$(podlane_LIBS))
$(B)/podlane-cni: $(B)/agent/cni/main.o $(CNI) $(COMMON)
	$(call run,LD)$(call link,$(cni_LIBS))

# tests/DIR/test_*.c are cmocka programs, linked with the daemon's parts; tests/DIR/*.h their helpers.
# tests/tools/*.c are small programs that shell tests run.
TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/*/test_*.c))
TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c))
$(TESTS) $(TOOLS): $(B)/%: $(B)/%.o $(DAEMON) $(CNI) $(CLI) $(FILTER) $(COMMON)
	$(call run,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		-o $@ $(call libs,$(podlaned_LIBS) libpcap cmocka)
# The kernel is a set of facts in it, and comparisons are counted.
$(B)/tests/unit/test_linear: override LDFLAGS += $(addprefix -Wl$(comma)--wrap=,pl_fact_compare pl_write_set pl_write_del \
	pl_write_settle pl_actual_collect pl_datapath_wanted)
tests: all $(TESTS) $(TOOLS) other-abi
# The daemon of a version that is one higher, for the tests of upgrades.
PL_ABI := $(shell sed -n 's/^.define PL_ABI //p' include/podlane/abi.h)
other-abi:
	$(Q)$(MAKE) --no-print-directory B=$(B)/other-abi DEFS="-DPL_ABI=$$(($(PL_ABI) + 1)) -DPL_ABI_TRIAL" \
		$(B)/other-abi/podlaned

# What the bench runs; its own BPF programs, too.
BENCH := $(addprefix $(B)/tests/bench/,load cni bpf empty)
$(B)/tests/bench/load: $(B)/tests/bench/traffic.o
$(BENCH): $(B)/%: $(B)/%.o $(COMMON)
	$(call run,LD)$(call link,libbpf jansson libmnl)
$(B)/tests/bench/limit.bpf.o: tests/bench/limit.bpf.c tests/bench/limit.h Makefile
	@mkdir -p $(@D)
	$(call run,BPF)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
bench-tools: $(BENCH) $(B)/tests/bench/limit.bpf.o
	$(Q)$(MAKE) --no-print-directory B=$(B)/unmirrored BPF_SOURCE=tests/bench/unmirrored.bpf.c $(B)/unmirrored/podlaned

FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(FUZZERS): $(B)/%: $(B)/%.o $(DAEMON) $(CNI) $(FILTER) $(COMMON)
	$(call run,LD)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $< $(DAEMON) $(CNI) $(FILTER) $(COMMON) -o $@ \
		$(call libs,$(podlaned_LIBS) libpcap)
fuzzers: $(FUZZERS)

# The goals that install packages build in a second make: tools found only now count there.
asan:
	$(MAKE) B=$(B)-asan SANITIZE="$(SANITIZERS)" CFLAGS="-O1 -g" tests
test:
	scripts/install-deps build test lint runtime-tests vm
	+B=$(B) tests/run
test-kernels:
	scripts/install-deps build test vm
	+B=$(B) tests/run $(addprefix kernel:,$(or $(KERNELS),5.10 6.1 6.12 newest)); \
		status=$$?; B=$(B) tests/vm/table && exit $$status
test-flows:
	scripts/install-deps build test
	+B=$(B) tests/run netns/test_flowmodel
verifier-baseline:
	scripts/install-deps build test vm
	$(MAKE) tests
	B=$(B) tests/prog/baseline $(KERNELS)
demo:
	scripts/install-deps build demo
	$(MAKE) all
	scripts/demo
bench bench-check:
	scripts/install-deps build bench vm
	$(MAKE) all bench-tools
	B=$(B) tests/bench/run $(if $(filter bench-check,$@),--check) $(BENCH_ARGS)
lint:
	scripts/install-deps build lint
	tests/lint
fuzz-build:
	$(MAKE) B=$(B)-fuzz CC=clang SANITIZE="$(SANITIZERS) -fsanitize=fuzzer-no-link" CFLAGS="-O1 -g" fuzzers
fuzz:
	scripts/install-deps build test
	+B=$(B) FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) tests/run fuzz

compile_commands.json: $(filter-out %.bpf.c,$(wildcard agent/*/*.c tests/*/*.c)) Makefile
	printf '%s\n' $(filter %.c,$^) | jq -Rn --arg dir '$(CURDIR)' --arg flags $(call quote,$(ALL_CFLAGS)) \
		'[inputs | {directory: $$dir, file: ., command: "clang \($$flags) -c \(.)"}]' >$@
quote = '$(subst ','\'',$(1))'

MAN = $(wildcard agent/man/*.[1-9])
# systemd knows Type=notify-reload from 253 on. Who packages for another machine says what that has.
SYSTEMD_VERSION ?= $(shell systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
NOTIFY_RELOAD = $(shell [ "0$(SYSTEMD_VERSION)" -lt 253 ] || echo yes)
DOCS = scripts/podlaned.json scripts/podlaned.json.sample scripts/10-podlane.conflist agent/man/podlane.schema.json README.md LICENSE
install: all install-unit
	install -d $(addprefix $(DESTDIR),$(SBINDIR) $(BINDIR) $(CNIBINDIR) $(NETAVARKDIR) $(LIBDIR) \
		$(DOCDIR) $(BASHCOMPDIR) $(ZSHCOMPDIR) $(FISHCOMPDIR))
	install -m 755 $(B)/podlaned $(DESTDIR)$(SBINDIR)/podlaned
	install -m 755 $(B)/podlane $(DESTDIR)$(BINDIR)/podlane
	install -m 755 $(B)/podlane-cni $(DESTDIR)$(CNIBINDIR)/podlane
	ln -sf $(CNIBINDIR)/podlane $(DESTDIR)$(NETAVARKDIR)/podlane # podman 5 looks there
	install -m 755 scripts/oci-hook $(DESTDIR)$(LIBDIR)/oci-hook
	install -m 644 scripts/completion/podlane.bash $(DESTDIR)$(BASHCOMPDIR)/podlane
	install -m 644 scripts/completion/_podlane $(DESTDIR)$(ZSHCOMPDIR)
	install -m 644 scripts/completion/podlane.fish $(DESTDIR)$(FISHCOMPDIR)
	install -m 644 $(DOCS) $(DESTDIR)$(DOCDIR)
	for m in $(MAN); do install -D -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/} || exit; done

install-unit:
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|$(if $(NOTIFY_RELOAD),; s/^Type=notify$$/Type=notify-reload/; /^ExecReload=/d)' \
		scripts/podlaned.service >$(DESTDIR)$(UNITDIR)/podlaned.service

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/podlaned $(DESTDIR)$(BINDIR)/podlane $(DESTDIR)$(CNIBINDIR)/podlane \
		$(DESTDIR)$(NETAVARKDIR)/podlane $(DESTDIR)$(LIBDIR)/oci-hook \
		$(DESTDIR)$(UNITDIR)/podlaned.service $(DESTDIR)$(BASHCOMPDIR)/podlane \
		$(DESTDIR)$(ZSHCOMPDIR)/_podlane $(DESTDIR)$(FISHCOMPDIR)/podlane.fish \
		$(addprefix $(DESTDIR)$(DOCDIR)/,$(notdir $(DOCS))) \
		$(foreach m,$(notdir $(MAN)),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(m))
	for d in $(DESTDIR)$(LIBDIR) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(NETAVARKDIR); do \
		[ ! -d $$d ] || rmdir --ignore-fail-on-non-empty $$d; done

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
clean:
	rm -rf $(B) $(B)-asan $(B)-fuzz $(B)-clang $(B)-gcc $(B)-flags compile_commands.json

-include $(shell find $(B)/agent $(B)/tests -type f -name '*.d' 2>/dev/null)

.PHONY: test-flows all tests other-abi fuzzers asan test test-kernels verifier-baseline demo bench bench-check bench-tools lint fuzz fuzz-build install install-unit uninstall help clean
.DELETE_ON_ERROR:
.SECONDARY:
