// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The bpffs: folders, names and pins. A pin is replaced by a rename, so that at every moment,
 * a crash included, a name gives either the old object or the new one. Knows of no map,
 * program or device.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "common/log.h"
#include "datapath/internal.h"

#define BPFFS_MAGIC 0xcafe4a11

static int join(char *buf, size_t size, const char *dir, const char *sub, const char *name)
{
	int n = snprintf(buf, size, "%s/%s/%s", dir, sub, name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Of @path, or of its nearest parent that exists. */
static int nearest_statfs(const char *path, struct statfs *ret)
{
	pl_autofree char *copy = strdup(path);
	char *slash;

	if (!copy)
		return -ENOMEM;
	while (statfs(*copy ? copy : "/", ret)) {
		if (errno != ENOENT)
			return -errno;
		slash = strrchr(copy, '/');
		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	return 0;
}

int pl_datapath_check_folder(const char *dir, struct pl_error *err)
{
	struct statfs fs;
	int r;

	if (dir[0] != '/')
		return pl_fail(err, -EINVAL, "bpffs folder %s: the path must be absolute", dir);
	r = nearest_statfs(dir, &fs);
	if (r < 0)
		return pl_fail(err, r, "look at bpffs folder %s: %s", dir, strerror(-r));
	if ((uint32_t)fs.f_type != BPFFS_MAGIC)
		return pl_fail(err, -ENOTSUP,
			       "%s lies on no BPF file system, which must keep the datapath while "
			       "the daemon is away; mount one with `mount -t bpf bpf /sys/fs/bpf`",
			       dir);
	return 0;
}

int dp_bpffs_mkdir(const char *dir, struct pl_error *err)
{
	int r;

	r = pl_datapath_check_folder(dir, err);
	if (r < 0)
		return r;
	r = pl_mkdir_p(dir, 0700);
	if (r < 0)
		return pl_fail(err, r, "make folder %s: %s", dir, strerror(-r));
	return 0;
}

int dp_lock(const char *dir, struct pl_error *err)
{
	pl_autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return pl_fail(err, -errno, "open folder %s: %s", dir, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			return pl_fail(err, -EEXIST,
				       "%s is in use by another podlaned; stop that one, or name "
				       "another folder with --bpffs",
				       dir);
		return pl_fail(err, -errno, "lock folder %s: %s", dir, strerror(errno));
	}
	return TAKE_FD(fd);
}

int dp_pin(int fd, const char *dir, const char *sub, const char *name)
{
	char path[PATH_MAX], path_new[PATH_MAX + sizeof(DP_NEW_SUFFIX)];
	int r;

	r = join(path, sizeof(path), dir, sub, name);
	if (r < 0)
		return r;
	if (!bpf_obj_pin(fd, path))
		return 0;
	if (errno != EEXIST)
		return -errno;

	snprintf(path_new, sizeof(path_new), "%s" DP_NEW_SUFFIX, path);
	if (unlink(path_new) && errno != ENOENT)
		return -errno;
	if (bpf_obj_pin(fd, path_new) || rename(path_new, path))
		return -errno;
	return 0;
}

int dp_pin_get(const char *dir, const char *sub, const char *name)
{
	char path[PATH_MAX];
	int r;

	r = join(path, sizeof(path), dir, sub, name);
	if (r < 0)
		return r;
	r = bpf_obj_get(path);
	return r < 0 ? -errno : r;
}

int dp_unpin(const char *dir, const char *sub, const char *name)
{
	char path[PATH_MAX];
	int r;

	r = join(path, sizeof(path), dir, sub, name);
	if (r < 0)
		return r;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

int dp_pin_move(const char *from, const char *to, const char *sub, const char *name)
{
	char path_from[PATH_MAX], path_to[PATH_MAX];
	int r;

	r = join(path_from, sizeof(path_from), from, sub, name);
	if (!r)
		r = join(path_to, sizeof(path_to), to, sub, name);
	if (r < 0)
		return r;
	return rename(path_from, path_to) ? -errno : 0;
}

bool dp_pin_exists(const char *dir, const char *sub, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return !join(path, sizeof(path), dir, sub, name) && !lstat(path, &st);
}

int dp_note_copy(const char *from, const char *to, const char *name)
{
	char path_from[PATH_MAX], path_to[PATH_MAX], target[PATH_MAX];
	ssize_t n;
	int r;

	r = join(path_from, sizeof(path_from), from, "links", name);
	if (!r)
		r = join(path_to, sizeof(path_to), to, "links", name);
	if (r < 0)
		return r;
	n = readlink(path_from, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlink(target, path_to) && errno != EEXIST ? -errno : 0;
}

void dp_names_clear(struct dp_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct dp_names){0};
}

static int names_add(struct dp_names *names, const char *name)
{
	char **grown = realloc(names->names, (names->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	names->names = grown;
	names->names[names->n] = strdup(name);
	if (!names->names[names->n])
		return -ENOMEM;
	names->n++;
	return 0;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

int dp_list(const char *dir, struct dp_names *ret)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	pl_cleanup(closedirp) DIR *d = opendir(dir);
	struct dirent *e;
	int r = 0;

	if (!d && errno != ENOENT)
		return -errno;
	while (d && !r && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = names_add(&names, e->d_name);
	if (r < 0)
		return r;
	*ret = names;
	names = (struct dp_names){0};
	return 0;
}

bool dp_set_version(const char *path, uint32_t *ret)
{
	const char *name = strrchr(path, '/');
	uint64_t version;

	name = name ? name + 1 : path;
	if (name[0] != 'v' || pl_parse_u64(name + 1, 0, UINT32_MAX, &version))
		return false;
	*ret = (uint32_t)version;
	return true;
}

int dp_list_sets(const char *root, struct dp_names *ret)
{
	pl_cleanup(dp_names_clear) struct dp_names all = {0};
	pl_cleanup(dp_names_clear) struct dp_names sets = {0};
	char path[PATH_MAX];
	uint32_t version;
	int r;

	r = dp_list(root, &all);
	for (size_t i = 0; i < all.n && !r; i++) {
		if (!dp_set_version(all.names[i], &version))
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", root, all.names[i]) >=
		    sizeof(path))
			return -ENAMETOOLONG;
		r = names_add(&sets, path);
	}
	if (r < 0)
		return r;
	*ret = sets;
	sets = (struct dp_names){0};
	return 0;
}

static bool strip_new(char *name)
{
	size_t len = strlen(name), suffix = strlen(DP_NEW_SUFFIX);

	if (len <= suffix || strcmp(name + len - suffix, DP_NEW_SUFFIX))
		return false;
	name[len - suffix] = '\0';
	return true;
}

/* A link is attached before it is pinned: the half-way pin is the newer and working one. */
static void tidy_link(const char *dir, char *name)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (join(from, sizeof(from), dir, "links", name) || !strip_new(name) ||
	    join(to, sizeof(to), dir, "links", name))
		return;
	if (rename(from, to))
		pl_warn("cannot finish pin path=%s reason=\"%s\"", from, strerror(errno));
}

void dp_tidy(const char *dir)
{
	static const char *const subs[] = {"maps", "progs", "links"};
	char path[PATH_MAX];

	for (size_t s = 0; s < PL_ARRAY_SIZE(subs); s++) {
		pl_cleanup(dp_names_clear) struct dp_names names = {0};

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, subs[s]) >= sizeof(path) ||
		    dp_list(path, &names))
			continue;
		for (size_t i = 0; i < names.n; i++) {
			pl_autofree char *bare = strdup(names.names[i]);

			if (!bare || !strip_new(bare))
				continue;
			if (!strcmp(subs[s], "links"))
				tidy_link(dir, names.names[i]);
			else
				dp_unpin(dir, subs[s], names.names[i]);
		}
	}
}

static int remove_pins(const char *dir, const char *sub)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	char path[PATH_MAX];
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, sub) >= sizeof(path))
		return -ENAMETOOLONG;
	r = dp_list(path, &names);
	for (size_t i = 0; i < names.n && !r; i++)
		r = dp_unpin(dir, sub, names.names[i]);
	if (r < 0)
		return r;
	return rmdir(path) && errno != ENOENT ? -errno : 0;
}

int dp_remove_set(const char *dir)
{
	char path[PATH_MAX];
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/links", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	/* First, for it fails while an attachment is left. */
	if (rmdir(path) && errno != ENOENT)
		return -errno;
	r = remove_pins(dir, "maps");
	if (!r)
		r = remove_pins(dir, "progs");
	if (r < 0)
		return r;
	return rmdir(dir) && errno != ENOENT ? -errno : 0;
}

int dp_list_links(const char *dir, struct dp_names *ret)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/links", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	return dp_list(path, ret);
}
