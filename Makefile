# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# make            everything into $(B)          make demo    see it work
# make test       all tests                     make bench   figures (quiet machine)
# make install    DESTDIR= PREFIX=              make help    the rest

PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
CNIBINDIR  ?= /opt/cni/bin
B          ?= build

CC         ?= cc
CLANG      ?= clang
BPFTOOL    ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config

VERSION    := 0.1.0
WARN       := -Wall -Wextra -Werror -Wimplicit-fallthrough -Wmissing-prototypes -Wundef -Wshadow \
	      -Wno-unused-parameter -Wno-missing-field-initializers
CFLAGS     ?= -O2 -g
CPPFLAGS   += -D_GNU_SOURCE -DPL_VERSION='"$(VERSION)"' -Iinclude -Iagent/common -Iagent/filter -I$(B)
ALL_CFLAGS  = -std=gnu11 $(WARN) -MMD -MP $(CPPFLAGS) $(CFLAGS) $(SANITIZE)
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 $(filter-out -Wshadow,$(WARN)) -Iinclude -Ibpf \
	      -idirafter /usr/include/$(shell $(CC) -dumpmachine)

COMMON_LIBS   := jansson libmnl
podlaned_LIBS  = libbpf libmnl jansson libevent libnftables libpcap libcap-ng
podlane_LIBS   = jansson libmnl
cni_LIBS       = jansson libmnl
libs = $(shell $(PKG_CONFIG) --libs $(1))

src  = $(sort $(wildcard agent/$(1)/*.c))
objs = $(patsubst %.c,$(B)/%.o,$(call src,$(1)))
# Everything of the daemon but main(): the tests link it.
DAEMON_LIB_OBJS = $(filter-out $(B)/agent/daemon/main.o,$(call objs,daemon))

BINS := $(B)/podlaned $(B)/podlane $(B)/podlane-cni

all: $(BINS)

$(B)/podlane.bpf.o: bpf/podlane.bpf.c $(wildcard bpf/lib/*.h) $(wildcard include/podlane/*.h) Makefile
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	llvm-strip -g $@ 2>/dev/null || true

$(B)/podlane.skel.h: $(B)/podlane.bpf.o
	$(BPFTOOL) gen skeleton $< name podlane_bpf >$@.tmp && mv $@.tmp $@

$(B)/agent/daemon/%.o: $(B)/podlane.skel.h
$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

$(B)/libpodlane-common.a: $(call objs,common)
	@mkdir -p $(@D)
	$(AR) rcs $@ $^

$(B)/libpodlane-filter.a: $(call objs,filter)
	@mkdir -p $(@D)
	$(AR) rcs $@ $^

$(B)/libpodlane-daemon.a: $(DAEMON_LIB_OBJS)
	@mkdir -p $(@D)
	$(AR) rcs $@ $^

$(B)/podlaned: $(B)/agent/daemon/main.o $(B)/libpodlane-daemon.a $(B)/libpodlane-filter.a $(B)/libpodlane-common.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ $(call libs,$(podlaned_LIBS))

$(B)/podlane: $(call objs,cli) $(B)/libpodlane-common.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ $(call libs,$(podlane_LIBS))

$(B)/podlane-cni: $(call objs,cni) $(B)/libpodlane-common.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ $(call libs,$(cni_LIBS))

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: all clean
.DELETE_ON_ERROR:
