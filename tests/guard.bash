# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Loaded by every bats file or by the library that it loads: these tests delete network namespaces,
# pins and folders of the node that they run on, so they refuse to begin anywhere but in tests/sandbox.
[ -e /run/podlane-sandbox ] || {
	echo "${BATS_TEST_FILENAME:-this test} must not run on the machine itself: use tests/run, or tests/sandbox bats FILE" >&2
	exit 1
}
