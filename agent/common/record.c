/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Endpoint records as files. One is written whole or not at all, and what does not parse is set
 * aside where a person can look at it. Names become file names here and nowhere else, so here it
 * is made sure that none leads out of the folder.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/allow.h"
#include "common/record.h"

#define FOLDER		 "endpoints"
#define SUFFIX		 ".json"
#define RECORD_BYTES_MAX (64 * 1024)
/* A container id of more bytes would make the file's name longer than NAME_MAX. */
#define ID_BYTES_MAX  200
#define ID_BYTES_KEPT 160

static const char *const mode_names[] = {
	[PL_MODE_POD] = "pod",
	[PL_MODE_ACCELERATE] = "accelerate",
};

static const char *const link_names[] = {
	[PL_LINK_VETH] = "veth",
	[PL_LINK_NETKIT_L3] = "netkit-l3",
	[PL_LINK_NETKIT_L2] = "netkit-l2",
};

/* --- to JSON --- */

static json_t *addr_json(const struct pl_record_addr *addr)
{
	char ip[PL_PREFIX_STRLEN], gateway[PL_IP_STRLEN];
	json_t *j = json_pack("{s:s}", "address", pl_prefix_format(&addr->ip, ip));

	if (addr->gateway.family)
		json_object_set_new(j, "gateway",
				    json_string(pl_ip_format(&addr->gateway, gateway)));
	return j;
}

static json_t *addrs_json(const struct pl_record *r)
{
	json_t *all = json_array();

	for (size_t i = 0; i < r->n_addrs; i++)
		json_array_append_new(all, addr_json(&r->addrs[i]));
	return all;
}

json_t *pl_record_to_json(const struct pl_record *r)
{
	char host_mac[PL_MAC_STRLEN], pod_mac[PL_MAC_STRLEN];

	pl_mac_format(&r->host_mac, host_mac);
	pl_mac_format(&r->pod_mac, pod_mac);
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:I, s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:I, "
			 "s:I, s:s, s:s, s:I, s:o, s:b, s:o, s:b, s:s, s:I}",
			 "version", PL_RECORD_VERSION, "containerId", r->container_id, "ifname",
			 r->ifname, "network", r->network, "netns", r->netns, "netnsInode",
			 (json_int_t)r->netns_inode, "pod", "name", r->pod_name, "namespace",
			 r->pod_namespace, "uid", r->pod_uid, "mode", mode_names[r->mode], "link",
			 link_names[r->link_kind], "hostIfname", r->host_ifname, "ifindex",
			 (json_int_t)r->ifindex, "podIfindex", (json_int_t)r->pod_ifindex,
			 "hostMac", host_mac, "podMac", pod_mac, "mtu", (json_int_t)r->mtu,
			 "addresses", addrs_json(r), "antispoof", r->antispoof, "allow",
			 pl_allow_json(r->allow), "ipMasq", r->ip_masq, "ipam", r->ipam_type,
			 "createdNs", (json_int_t)r->created_ns);
}

/* --- from JSON --- */

/* Reads keys of one object until one fails, then does nothing: each reader need not be checked. */
struct reader {
	const json_t *object;
	const char *path; /* of the object: "pod." or "" */
	struct pl_error *err;
	int result;
};

static void wrong(struct reader *rd, const char *key, const char *what)
{
	rd->result = pl_fail(rd->err, -EINVAL, "%s%s: %s", rd->path, key, what);
}

static const json_t *get(struct reader *rd, const char *key)
{
	const json_t *value;

	if (rd->result < 0)
		return NULL;
	value = json_object_get(rd->object, key);
	if (!value)
		wrong(rd, key, "is missing");
	return value;
}

static void read_text(struct reader *rd, const char *key, char *ret, size_t size)
{
	const json_t *value = get(rd, key);

	if (!value)
		return;
	if (!json_is_string(value))
		wrong(rd, key, "must be a string");
	else if (json_string_length(value) >= size)
		wrong(rd, key, "is too long");
	else
		strcpy(ret, json_string_value(value));
}

static void read_number(struct reader *rd, const char *key, uint64_t max, uint64_t *ret)
{
	const json_t *value = get(rd, key);

	if (!value)
		return;
	if (!json_is_integer(value))
		wrong(rd, key, "must be a whole number");
	else if (json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max)
		wrong(rd, key, "is out of range");
	else
		*ret = (uint64_t)json_integer_value(value);
}

static void read_u32(struct reader *rd, const char *key, uint32_t *ret)
{
	uint64_t n = 0;

	read_number(rd, key, UINT32_MAX, &n);
	*ret = (uint32_t)n;
}

static void read_bool(struct reader *rd, const char *key, bool *ret)
{
	const json_t *value = get(rd, key);

	if (!value)
		return;
	if (!json_is_boolean(value))
		wrong(rd, key, "must be true or false");
	else
		*ret = json_is_true(value);
}

static unsigned int read_choice(struct reader *rd, const char *key, const char *const *names,
				size_t n)
{
	char name[32] = "";

	read_text(rd, key, name, sizeof(name));
	if (rd->result < 0)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(name, names[i]) == 0)
			return i;
	}
	wrong(rd, key, "is not a known value");
	return 0;
}

static void read_mac(struct reader *rd, const char *key, struct pl_mac *ret)
{
	char text[PL_MAC_STRLEN] = "";

	read_text(rd, key, text, sizeof(text));
	if (rd->result == 0 && pl_mac_parse(text, ret) < 0)
		wrong(rd, key, "is not a valid MAC address");
}

/* Records of before it was written have none. */
static void read_allow(struct reader *rd, uint16_t *ret)
{
	const json_t *value = json_object_get(rd->object, "allow");

	if (rd->result == 0 && value)
		rd->result = pl_allow_read(value, "allow", ret, rd->err);
}

static void read_addr(struct reader *rd, struct pl_record_addr *ret)
{
	char ip[PL_PREFIX_STRLEN] = "", gateway[PL_IP_STRLEN] = "";

	read_text(rd, "address", ip, sizeof(ip));
	if (rd->result == 0 && pl_prefix_parse(ip, &ret->ip) < 0)
		wrong(rd, "address", "is not a valid IP address");
	if (!json_object_get(rd->object, "gateway"))
		return;
	read_text(rd, "gateway", gateway, sizeof(gateway));
	if (rd->result == 0 && pl_ip_parse(gateway, &ret->gateway) < 0)
		wrong(rd, "gateway", "is not a valid IP address");
}

static void read_addrs(struct reader *rd, struct pl_record *ret)
{
	const json_t *all = get(rd, "addresses");

	if (!all)
		return;
	if (!json_is_array(all)) {
		wrong(rd, "addresses", "must be an array");
		return;
	}
	if (json_array_size(all) > PL_RECORD_ADDRS_MAX) {
		wrong(rd, "addresses", "are too many");
		return;
	}
	for (size_t i = 0; i < json_array_size(all) && rd->result == 0; i++) {
		char path[sizeof("addresses[18446744073709551615].")];
		struct reader sub = {json_array_get(all, i), path, rd->err, 0};

		snprintf(path, sizeof(path), "addresses[%zu].", i);
		read_addr(&sub, &ret->addrs[i]);
		rd->result = sub.result;
		ret->n_addrs = i + 1;
	}
}

static void read_pod(struct reader *rd, struct pl_record *ret)
{
	struct reader sub = {get(rd, "pod"), "pod.", rd->err, rd->result};

	read_text(&sub, "name", ret->pod_name, sizeof(ret->pod_name));
	read_text(&sub, "namespace", ret->pod_namespace, sizeof(ret->pod_namespace));
	read_text(&sub, "uid", ret->pod_uid, sizeof(ret->pod_uid));
	rd->result = sub.result;
}

static void read_link(struct reader *rd, struct pl_record *ret)
{
	ret->mode = (enum pl_mode)read_choice(rd, "mode", mode_names, PL_ARRAY_SIZE(mode_names));
	ret->link_kind = (uint8_t)read_choice(rd, "link", link_names, PL_ARRAY_SIZE(link_names));
	read_text(rd, "hostIfname", ret->host_ifname, sizeof(ret->host_ifname));
	read_u32(rd, "ifindex", &ret->ifindex);
	read_u32(rd, "podIfindex", &ret->pod_ifindex);
	read_mac(rd, "hostMac", &ret->host_mac);
	read_mac(rd, "podMac", &ret->pod_mac);
	read_u32(rd, "mtu", &ret->mtu);
}

/* The names that file names and interfaces are made of. */
static void check_names(struct reader *rd, const struct pl_record *r)
{
	if (rd->result < 0)
		return;
	if (!pl_name_valid(r->container_id))
		wrong(rd, "containerId", "is not a valid container id");
	else if (!pl_ifname_valid(r->ifname))
		wrong(rd, "ifname", "is not a valid interface name");
	else if (!pl_name_valid(r->network))
		wrong(rd, "network", "is not a valid network name");
	else if (!pl_ifname_valid(r->host_ifname))
		wrong(rd, "hostIfname", "is not a valid interface name");
}

int pl_record_from_json(const json_t *j, struct pl_record *ret, struct pl_error *err)
{
	struct reader rd = {j, "", err, 0};
	struct pl_record r = {0};
	uint64_t version = 0;

	if (!json_is_object(j))
		return pl_fail(err, -EINVAL, "a record must be an object");
	read_number(&rd, "version", UINT32_MAX, &version);
	if (rd.result == 0 && version != PL_RECORD_VERSION)
		return pl_fail(err, -EPROTONOSUPPORT, "version %llu is not known here, %d is",
			       (unsigned long long)version, PL_RECORD_VERSION);
	read_text(&rd, "containerId", r.container_id, sizeof(r.container_id));
	read_text(&rd, "ifname", r.ifname, sizeof(r.ifname));
	read_text(&rd, "network", r.network, sizeof(r.network));
	read_text(&rd, "netns", r.netns, sizeof(r.netns));
	read_number(&rd, "netnsInode", INT64_MAX, &r.netns_inode);
	read_pod(&rd, &r);
	read_link(&rd, &r);
	read_addrs(&rd, &r);
	read_bool(&rd, "antispoof", &r.antispoof);
	read_allow(&rd, &r.allow);
	read_bool(&rd, "ipMasq", &r.ip_masq);
	read_text(&rd, "ipam", r.ipam_type, sizeof(r.ipam_type));
	read_number(&rd, "createdNs", INT64_MAX, &r.created_ns);
	check_names(&rd, &r);
	if (rd.result < 0)
		return rd.result;
	*ret = r;
	return 0;
}

/* --- files --- */

#define HASH_BASIS 0xcbf29ce484222325

/* FNV-1a, for names; what they stand for holds the whole id. */
static uint64_t hash_text(uint64_t hash, const char *s)
{
	for (; *s; s++)
		hash = (hash ^ (unsigned char)*s) * 0x100000001b3;
	return hash;
}

uint64_t pl_endpoint_hash(const char *container_id, const char *ifname)
{
	return hash_text(hash_text(hash_text(HASH_BASIS, container_id), ":"), ifname);
}

void pl_host_ifname(const char *container_id, const char *ifname, char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, "pl%012llx",
		 (unsigned long long)pl_endpoint_hash(container_id, ifname) & 0xffffffffffff);
}

int pl_record_path(const char *run_dir, const char *container_id, const char *ifname, char *buf,
		   size_t size)
{
	int n;

	if (!pl_name_valid(container_id) || !pl_ifname_valid(ifname))
		return -EINVAL;
	if (strlen(container_id) > ID_BYTES_MAX) /* '~' is in no container id */
		n = snprintf(buf, size, "%s/" FOLDER "/%.*s~%016llx:%s" SUFFIX, run_dir,
			     ID_BYTES_KEPT, container_id,
			     (unsigned long long)hash_text(HASH_BASIS, container_id), ifname);
	else
		n = snprintf(buf, size, "%s/" FOLDER "/%s:%s" SUFFIX, run_dir, container_id,
			     ifname);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int pl_record_save(const char *run_dir, const struct pl_record *r)
{
	pl_autojson json_t *j = pl_record_to_json(r);
	pl_autofree char *text = NULL;
	char path[PATH_MAX];
	int rc = pl_record_path(run_dir, r->container_id, r->ifname, path, sizeof(path));

	if (rc < 0)
		return rc;
	if (!j)
		return -EINVAL; /* a string that is no UTF-8 */
	text = json_dumps(j, JSON_INDENT(2));
	if (!text)
		return -ENOMEM;
	rc = pl_write_atomic(path, text, strlen(text), 0600);
	if (rc != -ENOENT)
		return rc;
	*strrchr(path, '/') = '\0';
	rc = pl_mkdir_p(path, 0700);
	if (rc < 0)
		return rc;
	rc = pl_record_path(run_dir, r->container_id, r->ifname, path, sizeof(path));
	return rc < 0 ? rc : pl_write_atomic(path, text, strlen(text), 0600);
}

static int rename_aside(const char *path)
{
	pl_autofree char *aside = NULL;

	if (asprintf(&aside, "%s.bad", path) < 0) {
		aside = NULL;
		return -ENOMEM;
	}
	return rename(path, aside) < 0 ? -errno : 0;
}

int pl_record_remove(const char *run_dir, const char *container_id, const char *ifname)
{
	char path[PATH_MAX];
	int r = pl_record_path(run_dir, container_id, ifname, path, sizeof(path));

	if (r < 0)
		return r;
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR ? rename_aside(path) : -errno;
}

/* A record under another's name would be found by one name and removed by the other. */
static int check_file_name(const char *run_dir, const char *path, const struct pl_record *r,
			   struct pl_error *err)
{
	char expected[PATH_MAX];
	int rc = pl_record_path(run_dir, r->container_id, r->ifname, expected, sizeof(expected));

	if (rc < 0)
		return pl_fail(err, rc, "read record %s: %s", path, strerror(-rc));
	if (strcmp(path, expected) != 0)
		return pl_fail(
			err, -EINVAL,
			"read record %s: it is the record of %.64s:%s, whose file is another", path,
			r->container_id, r->ifname);
	return 0;
}

/*
 * Anything may lie among the records: what is no regular file is not waited for, followed or read,
 * and no more is read than a record can have.
 */
static int read_record(const char *path, char **ret, size_t *ret_len, struct pl_error *err)
{
	pl_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	pl_autofree char *text = NULL;
	struct stat st;
	size_t have = 0;

	if (fd < 0 && errno == ELOOP)
		return pl_fail(err, -EINVAL, "read record %s: it is a symbolic link", path);
	if (fd < 0)
		return pl_fail(err, errno == ENXIO ? -EINVAL : -errno, "read record %s: %s", path,
			       errno == ENXIO ? "it is no regular file" : strerror(errno));
	if (fstat(fd, &st) < 0)
		return pl_fail(err, -errno, "read record %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return pl_fail(err, -EINVAL, "read record %s: it is no regular file", path);
	if (st.st_size > RECORD_BYTES_MAX)
		return pl_fail(err, -EFBIG, "read record %s: it has %lld bytes, more than %d", path,
			       (long long)st.st_size, RECORD_BYTES_MAX);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return pl_fail(err, -ENOMEM, "read record %s: out of memory", path);
	while (have < (size_t)st.st_size) {
		ssize_t n = read(fd, text + have, (size_t)st.st_size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pl_fail(err, -errno, "read record %s: %s", path, strerror(errno));
		if (!n)
			break;
		have += (size_t)n;
	}
	text[have] = '\0';
	*ret = TAKE_PTR(text);
	*ret_len = have;
	return 0;
}

static int load_path(const char *run_dir, const char *path, struct pl_record *ret,
		     struct pl_error *err)
{
	pl_autojson json_t *j = NULL;
	pl_autofree char *text = NULL;
	struct pl_record record;
	size_t len;
	int r = read_record(path, &text, &len, err);

	if (r < 0)
		return r;
	r = pl_json_load(text, len, &j, err);
	if (r == 0)
		r = pl_record_from_json(j, &record, err);
	if (r < 0)
		return err ? pl_fail_prefix(err, "read record %s", path) : r;
	r = check_file_name(run_dir, path, &record, err);
	if (r < 0)
		return r;
	*ret = record;
	return 0;
}

int pl_record_load(const char *run_dir, const char *container_id, const char *ifname,
		   struct pl_record *ret, struct pl_error *err)
{
	char path[PATH_MAX];
	int r = pl_record_path(run_dir, container_id, ifname, path, sizeof(path));

	if (r < 0)
		return pl_fail(err, r, "read record of %s:%s: %s", container_id, ifname,
			       strerror(-r));
	return load_path(run_dir, path, ret, err);
}

static int is_record_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);

	return entry->d_name[0] != '.' && len > suffix &&
	       strcmp(entry->d_name + len - suffix, SUFFIX) == 0;
}

/* Broken for good, as against a lack of memory, of fds or of rights, which may pass. */
static bool is_broken(int code)
{
	return code == -EINVAL || code == -EFBIG;
}

int pl_record_set_aside(const char *run_dir, const char *container_id, const char *ifname)
{
	char path[PATH_MAX];
	int r = pl_record_path(run_dir, container_id, ifname, path, sizeof(path));

	return r < 0 ? r : rename_aside(path);
}

static void set_aside(const char *path, const struct pl_error *err,
		      void (*bad)(const char *path, const struct pl_error *err, void *arg),
		      void *arg)
{
	if (is_broken(err->code))
		(void)rename_aside(path);
	if (bad)
		bad(path, err, arg);
}

void pl_record_tidy(const char *run_dir)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/" FOLDER, run_dir) < (int)sizeof(path))
		pl_write_atomic_tidy(path);
}

int pl_record_each(const char *run_dir, int (*fn)(const struct pl_record *r, void *arg),
		   void (*bad)(const char *path, const struct pl_error *err, void *arg), void *arg)
{
	struct dirent **names = NULL;
	char path[PATH_MAX];
	int n, r = 0;

	if (snprintf(path, sizeof(path), "%s/" FOLDER, run_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	/* All names first: @fn may remove and write records. */
	n = scandir(path, &names, is_record_file, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		pl_autofree struct dirent *entry = names[i];
		struct pl_record record;
		struct pl_error err = {0};
		int len;

		if (r != 0)
			continue;
		len = snprintf(path, sizeof(path), "%s/" FOLDER "/%s", run_dir, entry->d_name);
		if (len >= (int)sizeof(path)) {
			r = -ENAMETOOLONG;
			continue;
		}
		if (load_path(run_dir, path, &record, &err) == 0)
			r = fn(&record, arg);
		else if (err.code != -ENOENT) /* removed since */
			set_aside(path, &err, bad, arg);
	}
	free(names);
	return r;
}
