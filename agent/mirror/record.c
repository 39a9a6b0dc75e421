// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Mirror sessions on disk: RUN_DIR/mirrors/NAME.json, so that they, their slots and with these
 * their counters survive the daemon. A reboot empties the folder, as it ends the sessions.
 */
#include <dirent.h>

#include "common/log.h"
#include "mirror/internal.h"

enum {
	RECORD_VERSION = 1,
	RECORD_MAX = 256 * 1024, /* bytes of a file */
};

static int record_path(const struct pl_mirrors *m, const char *file, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/mirrors/%s", m->opts.run_dir, file);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int pl_session_save(const struct pl_mirrors *m, unsigned int slot)
{
	const struct pl_session *s = m->slots[slot];
	char dir[512], path[512], file[PL_MIRROR_NAME_MAX + 8];
	pl_autojson json_t *j = NULL;
	pl_autofree char *text = NULL, *program = s->filter ? pl_filter_format(s->filter) : NULL;
	int r;

	if (s->filter && !program)
		return -ENOMEM;
	snprintf(file, sizeof(file), "%s.json", s->spec.name);
	r = record_path(m, "", dir, sizeof(dir));
	if (!r)
		r = record_path(m, file, path, sizeof(path));
	if (!r)
		r = pl_mkdir_p(dir, 0700);
	if (r < 0)
		return r;
	j = json_pack("{s:i, s:o, s:i, s:I, s:I, s:b, s:b, s:s, s:I, s:s*}", "version",
		      RECORD_VERSION, "session", pl_mirror_spec_to_json(&s->spec), "slot",
		      (int)slot, "id", (json_int_t)s->id, "expiresNs", (json_int_t)s->expires_ns,
		      "declared", s->declared, "expired", s->expired, "why",
		      s->expired ? s->why : "", "ifindex", (json_int_t)s->target, "program",
		      program);
	text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
	if (!text)
		return -ENOMEM;
	return pl_write_atomic(path, text, strlen(text), 0600);
}

size_t pl_mirrors_keep_records(const struct pl_mirrors *m)
{
	size_t n = 0;

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		char path[512], file[PL_MIRROR_NAME_MAX + 8];

		if (!m->slots[slot])
			continue;
		snprintf(file, sizeof(file), "%s.json", m->slots[slot]->spec.name);
		if (!record_path(m, file, path, sizeof(path)) && access(path, F_OK) &&
		    errno == ENOENT && !pl_session_save(m, slot))
			n++;
	}
	return n;
}

void pl_session_forget(const struct pl_mirrors *m, const char *name)
{
	char path[512], file[PL_MIRROR_NAME_MAX + 8];

	snprintf(file, sizeof(file), "%s.json", name);
	if (record_path(m, file, path, sizeof(path)) == 0 && unlink(path) < 0 && errno != ENOENT)
		pl_error_log("record of mirror session not removed path=%s error=\"%s\"", path,
			     strerror(errno));
}

static int read_session(const json_t *j, struct pl_session *s, unsigned int *ret_slot,
			struct pl_error *err)
{
	json_int_t slot = -1, id = 0, expires = 0, ifindex = 0;
	int version = 0, declared = 0, expired = 0;
	const char *why = "", *program = NULL;
	json_t *session = NULL;
	json_error_t unpack;
	int r;

	if (json_unpack_ex((json_t *)j, &unpack, 0,
			   "{s:i, s:o, s:I, s:I, s:I, s:b, s:b, s:s, s:I, s?s}", "version",
			   &version, "session", &session, "slot", &slot, "id", &id, "expiresNs",
			   &expires, "declared", &declared, "expired", &expired, "why", &why,
			   "ifindex", &ifindex, "program", &program))
		return pl_fail(err, -EINVAL, "%s", unpack.text);
	if (version != RECORD_VERSION)
		return pl_fail(err, -EINVAL, "version: %d is not %d", version, RECORD_VERSION);
	if (slot < 0 || slot >= PL_MIRRORS_MAX || id <= 0 || id > UINT32_MAX || expires < 0 ||
	    ifindex < 0 || ifindex > UINT32_MAX)
		return pl_fail(err, -EINVAL, "slot, id, expiresNs or ifindex out of range");
	r = pl_mirror_spec_parse(session, &s->spec, err);
	if (!r && s->spec.filter && program)
		r = pl_filter_parse(s->spec.filter, program, &s->filter, err);
	s->id = (uint32_t)id;
	s->expires_ns = (uint64_t)expires;
	s->declared = declared;
	s->expired = expired;
	s->target = (uint32_t)ifindex;
	snprintf(s->why, sizeof(s->why), "%.250s", why);
	*ret_slot = (unsigned int)slot;
	return r;
}

static int load_one(struct pl_mirrors *m, const char *path, const char *file, struct pl_error *err)
{
	pl_cleanup(pl_session_freep) struct pl_session *s = calloc(1, sizeof(*s));
	pl_autofree char *text = NULL;
	pl_autojson json_t *j = NULL;
	char expected[PL_MIRROR_NAME_MAX + 8];
	json_error_t error;
	unsigned int slot = 0;
	size_t len;
	int r = s ? pl_read_file(path, RECORD_MAX, &text, &len) : -ENOMEM;

	if (r < 0)
		return pl_fail(err, r, "%s", strerror(-r));
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!j)
		return pl_fail(err, -EINVAL, "line %d: %s", error.line, error.text);
	r = read_session(j, s, &slot, err);
	if (r < 0)
		return r;
	snprintf(expected, sizeof(expected), "%s.json", s->spec.name);
	if (strcmp(expected, file) != 0)
		return pl_fail(err, -EINVAL, "it holds the session \"%s\"", s->spec.name);
	if (m->slots[slot])
		return pl_fail(err, -EEXIST, "slot %u is that of session \"%s\"", slot,
			       m->slots[slot]->spec.name);
	m->slots[slot] = TAKE_PTR(s);
	return 0;
}

static void set_aside(const char *path, const struct pl_error *err)
{
	char bad[600];

	snprintf(bad, sizeof(bad), "%s.bad", path);
	if (rename(path, bad) < 0)
		snprintf(bad, sizeof(bad), "nowhere: %s", strerror(errno));
	pl_error_log("mirror session lost path=%s error=\"%s\" moved=\"%s\"", path, err->text, bad);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

void pl_sessions_load(struct pl_mirrors *m)
{
	pl_cleanup(closedirp) DIR *dir = NULL;
	const struct dirent *entry;
	char path[512];

	if (record_path(m, "", path, sizeof(path)) < 0)
		return;
	pl_write_atomic_tidy(path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');
		struct pl_error err = {0};

		if (!dot || strcmp(dot, ".json") != 0 || entry->d_name[0] == '.' ||
		    record_path(m, entry->d_name, path, sizeof(path)) < 0)
			continue;
		if (load_one(m, path, entry->d_name, &err) < 0)
			set_aside(path, &err);
	}
}
