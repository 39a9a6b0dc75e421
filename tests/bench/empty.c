/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A CNI plugin that does nothing: it reads its configuration and is content. What it takes is the
 * caller's own share of every plugin's time.
 */
#include <unistd.h>

int main(void)
{
	char buf[4096];

	while (read(STDIN_FILENO, buf, sizeof(buf)) > 0)
		;
	return 0;
}
