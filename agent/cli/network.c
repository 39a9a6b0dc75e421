// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Finds podlane's part of a CNI network configuration by file or by name, so that endpoints made
 * by hand share a network with those of a runtime. Does not check it: pl_netconf_parse() does.
 */
#include <jansson.h>
#include "cli/netns.h"

#include <dirent.h>

#define CONF_DIR "/etc/cni/net.d"

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && !strcmp(text + a - b, end);
}

static bool is_conf_file(const char *name)
{
	return ends_with(name, ".conf") || ends_with(name, ".conflist") || ends_with(name, ".json");
}

static bool is_podlane(const json_t *plugin)
{
	const char *type = json_string_value(json_object_get(plugin, "type"));

	return type && !strcmp(type, "podlane");
}

/* 0, -ENOENT where no plugin of the list is podlane, -ENOMEM. */
static int from_list(const json_t *list, json_t **ret)
{
	const json_t *plugin;
	size_t i;

	json_array_foreach (json_object_get(list, "plugins"), i, plugin) {
		pl_autojson json_t *conf = NULL;

		if (!is_podlane(plugin))
			continue;
		conf = json_copy((json_t *)plugin);
		if (!conf || json_object_set(conf, "name", json_object_get(list, "name")))
			return -ENOMEM;
		if (json_object_get(list, "cniVersion") &&
		    json_object_set(conf, "cniVersion", json_object_get(list, "cniVersion")))
			return -ENOMEM;
		*ret = TAKE_PTR(conf);
		return 0;
	}
	return -ENOENT;
}

static int load_file(const char *path, json_t **ret, struct pl_error *err)
{
	pl_autojson json_t *file = NULL;
	json_error_t where;

	file = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	if (!file && json_error_code(&where) == json_error_cannot_open_file)
		return pl_fail(err, -ENOENT, "%s", where.text);
	if (!file)
		return pl_fail(err, -EINVAL, "%s, line %d, column %d: %s", path, where.line,
			       where.column, where.text);
	if (!json_is_object(file))
		return pl_fail(err, -EINVAL, "%s: a network is a JSON object", path);
	if (json_object_get(file, "plugins")) {
		int rc = from_list(file, ret);

		return rc ? pl_fail(err, rc, "%s: none of the list's plugins is of type podlane",
				    path)
			  : 0;
	}
	if (json_object_get(file, "type") && !is_podlane(file))
		return pl_fail(err, -ENOENT, "%s: the network's type is not podlane", path);
	*ret = TAKE_PTR(file);
	return 0;
}

static int conf_filter(const struct dirent *entry)
{
	return is_conf_file(entry->d_name);
}

/* Files that do not parse, or are others' networks, are passed over, as runtimes do. */
static int load_named(const char *dir, const char *name, json_t **ret, struct pl_error *err)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, conf_filter, alphasort);
	json_t *found = NULL;

	for (int i = 0; i < n; i++) {
		pl_autojson json_t *conf = NULL;
		char path[4096];
		const char *its;

		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		free(entries[i]);
		if (found || load_file(path, &conf, NULL))
			continue;
		its = json_string_value(json_object_get(conf, "name"));
		if (its && !strcmp(its, name))
			found = TAKE_PTR(conf);
	}
	free(entries);
	if (!found)
		return pl_fail(
			err, -ENOENT,
			"no podlane network named %s in %s: give its file, or leave --network "
			"out for the daemon's own",
			name, dir);
	*ret = found;
	return 0;
}

int cli_network_load(const char *what, json_t **ret, struct pl_error *err)
{
	const char *dir = getenv("NETCONFPATH");

	if (strchr(what, '/') || is_conf_file(what))
		return load_file(what, ret, err);
	return load_named(dir && *dir ? dir : CONF_DIR, what, ret, err);
}
