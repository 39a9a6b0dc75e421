/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fake_daemon SOCKET SCRIPT LOG: answers the control socket as SCRIPT says, a JSON object of
 * operation to reply, read anew for each request. "hang" stops for good, "close" ends the
 * connection, an operation that is not there is refused with ENOTSUP. LOG gets one line a
 * request, with the inode of the file that came along. It makes and removes nothing.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <jansson.h>
#include "common/proto.h"
#include "common/util.h"

static int listen_on(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		return -1;
	strcpy(addr.sun_path, path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0)
		return -1;
	return fd;
}

static void note(const char *path, json_t *request, int fd)
{
	pl_autofclose FILE *f = fopen(path, "a");
	pl_autojson json_t *line = NULL;
	struct stat st;

	line = json_pack("{s:O, s:I}", "request", request, "inode",
			 (json_int_t)(fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0));
	if (!f || json_dumpf(line, f, JSON_COMPACT) < 0 || fputc('\n', f) == EOF)
		perror(path);
}

/* False: this connection is over. */
static bool answer(int sock, const char *script_path, const json_t *request)
{
	const char *op = json_string_value(json_object_get(request, "op"));
	pl_autojson json_t *script = json_load_file(script_path, 0, NULL);
	json_t *reply = json_object_get(script, op ? op : "");
	const char *word = json_string_value(reply);
	pl_autojson json_t *refusal = NULL;

	if (word && strcmp(word, "hang") == 0)
		for (;;)
			pause();
	if (word)
		return false;
	if (!reply) {
		refusal = json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", "ENOTSUP",
				    "message", "not in the script");
		reply = refusal;
	}
	return pl_proto_send(sock, reply, -1) == 0;
}

static void serve(int sock, const char *script, const char *log)
{
	bool more = true;

	while (more) {
		pl_autojson json_t *request = NULL;
		pl_autoclose int fd = -1;

		if (pl_proto_recv(sock, &request, &fd) < 0)
			return;
		note(log, request, fd);
		more = answer(sock, script, request);
	}
}

int main(int argc, char **argv)
{
	pl_autoclose int fd = -1;

	if (argc != 4) {
		fprintf(stderr, "usage: fake_daemon SOCKET SCRIPT LOG\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	fd = listen_on(argv[1]);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	for (;;) {
		pl_autoclose int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (sock >= 0)
			serve(sock, argv[2], argv[3]);
	}
}
