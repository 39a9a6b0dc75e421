/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The netavark plugin: what podman 5 calls instead of CNI. `create` checks a network and fills in
 * what podlane would choose, `setup` and `teardown` are ADD and DEL of the same daemon. A podman
 * network becomes a podlane network configuration, and from there on the CNI plugin's own code
 * runs: this file only translates.
 */
#include "cni/cni.h"
#include "common/addr.h"

#define NETAVARK_API "1.0.0"

/* podman network create -o KEY=VALUE: keys of the network configuration, by kind of value. */
static const char *const options_text[] = {"link", "netkitMode", NULL};
static const char *const options_bool[] = {"ipMasq", "antispoof", NULL};
static const char *const options_number[] = {"mtu", NULL};
static const char *const options_all[] = {"link", "netkitMode", "ipMasq", "antispoof", "mtu", NULL};

static bool is_in(const char *const *list, const char *word)
{
	while (*list && strcmp(*list, word) != 0)
		list++;
	return *list != NULL;
}

static json_t *option_value(const char *key, const char *text)
{
	uint64_t number;

	if (is_in(options_text, key))
		return json_string(text);
	if (is_in(options_bool, key) && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0))
		return json_true();
	if (is_in(options_bool, key) && (strcmp(text, "false") == 0 || strcmp(text, "0") == 0))
		return json_false();
	if (is_in(options_number, key) && pl_parse_u64(text, 1, UINT32_MAX, &number) == 0)
		return json_integer((json_int_t)number);
	return NULL;
}

static int add_options(json_t *conf, const json_t *options, struct cni_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)options, key, value) {
		const char *text = json_string_value(value);
		const char *nearest;

		if (!is_in(options_all, key)) {
			nearest = pl_nearest(key, options_all);
			return cni_fail(err, CNI_BAD_FIELD,
					"Option \"%s=%s\" is unknown%s%s; podlane has link, "
					"netkitMode, ipMasq, antispoof and mtu",
					key, text ? text : "", nearest ? ": did you mean " : "",
					nearest ? nearest : "");
		}
		if (json_object_set_new(conf, key, text ? option_value(key, text) : NULL) < 0)
			return cni_fail(err, CNI_BAD_CONFIG, "Option \"%s=%s\" has no such value",
					key, text ? text : "");
	}
	return 0;
}

/* {"subnet","gateway","lease_range":{"start_ip","end_ip"}} as one range set. */
static json_t *range_set(const json_t *subnet)
{
	const json_t *lease = json_object_get(subnet, "lease_range");
	static const char *const from[] = {"start_ip", "end_ip"};
	static const char *const to[] = {"rangeStart", "rangeEnd"};
	pl_autojson json_t *range = json_pack("{s:O}", "subnet", json_object_get(subnet, "subnet"));
	json_t *gateway = json_object_get(subnet, "gateway");

	if (!range)
		return NULL;
	if (json_is_string(gateway))
		json_object_set(range, "gateway", gateway);
	for (size_t i = 0; i < PL_ARRAY_SIZE(from); i++) {
		json_t *end = json_object_get(lease, from[i]);

		if (json_is_string(end))
			json_object_set(range, to[i], end);
	}
	return json_pack("[O]", range);
}

static bool has_family(const json_t *subnets, char mark)
{
	const json_t *subnet;
	size_t i;

	json_array_foreach (subnets, i, subnet) {
		const char *s = json_string_value(json_object_get(subnet, "subnet"));

		if (s && strchr(s, mark))
			return true;
	}
	return false;
}

/* An internal network reaches its own subnets alone; another one has default routes as well. */
static json_t *routes(const json_t *network)
{
	const json_t *subnets = json_object_get(network, "subnets");
	bool internal = json_is_true(json_object_get(network, "internal"));
	pl_autojson json_t *list = json_array();
	const json_t *one;
	size_t i;

	if (internal)
		json_array_foreach (subnets, i, one)
			json_array_append_new(
				list, json_pack("{s:O}", "dst", json_object_get(one, "subnet")));
	if (!internal && has_family(subnets, '.'))
		json_array_append_new(list, json_pack("{s:s}", "dst", "0.0.0.0/0"));
	if (!internal && has_family(subnets, ':'))
		json_array_append_new(list, json_pack("{s:s}", "dst", "::/0"));
	json_array_foreach (json_object_get(network, "routes"), i, one) {
		json_t *route = json_pack("{s:O}", "dst", json_object_get(one, "destination"));
		json_t *metric = json_object_get(one, "metric");

		if (json_is_integer(metric))
			json_object_set_new(route, "priority",
					    json_integer(json_integer_value(metric)));
		if (json_is_string(json_object_get(one, "gateway")))
			json_object_set(route, "gw", json_object_get(one, "gateway"));
		if (json_array_append_new(list, route) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

json_t *cni_netavark_conf(const json_t *network, struct cni_error *err)
{
	const json_t *subnets = json_object_get(network, "subnets");
	const json_t *name = json_object_get(network, "name");
	bool internal = json_is_true(json_object_get(network, "internal"));
	pl_autojson json_t *ranges = json_array();
	pl_autojson json_t *conf = NULL;
	const json_t *subnet;
	size_t i;

	if (!json_array_size(subnets)) {
		cni_fail(err, CNI_BAD_CONFIG,
			 "A podlane network needs a subnet: podman network create --driver podlane "
			 "--subnet 10.90.0.0/24 NAME");
		return NULL;
	}
	json_array_foreach (subnets, i, subnet)
		if (json_array_append_new(ranges, range_set(subnet)) < 0) {
			cni_fail(err, CNI_BAD_CONFIG, "subnets[%zu] has no subnet", i);
			return NULL;
		}
	conf = json_pack("{s:s, s:O*, s:s, s:b, s:{s:s, s:O, s:o}}", "cniVersion", "1.1.0", "name",
			 name, "type", "podlane", "ipMasq", !internal, "ipam", "type", "podlane",
			 "ranges", ranges, "routes", routes(network));
	if (!conf) {
		cni_fail(err, CNI_BAD_CONFIG, "The network has no readable name or routes");
		return NULL;
	}
	if (add_options(conf, json_object_get(network, "options"), err))
		return NULL;
	return TAKE_PTR(conf);
}

/* What podlane would do with it, so that a mistake shows at `podman network create`. */
static int check_conf(const json_t *network, struct pl_netconf *ret, struct cni_error *err)
{
	pl_autojson json_t *conf = cni_netavark_conf(network, err);
	struct pl_error why = {0};

	if (!conf)
		return err->code;
	if (pl_netconf_parse(conf, ret, &why) < 0)
		return cni_fail(err, CNI_BAD_CONFIG, "%s", why.text);
	return 0;
}

/* podman hands out addresses itself and must not hand out the gateway's. */
static int fill_gateways(json_t *network)
{
	json_t *subnet;
	size_t i;

	json_array_foreach (json_object_get(network, "subnets"), i, subnet) {
		const char *text = json_string_value(json_object_get(subnet, "subnet"));
		struct pl_ip first, last, gateway;
		struct pl_prefix prefix;
		char buf[PL_IP_STRLEN];

		if (json_is_string(json_object_get(subnet, "gateway")))
			continue;
		if (!text || pl_prefix_parse(text, &prefix) < 0)
			return -EINVAL;
		pl_prefix_range(&prefix, &first, &last);
		if (pl_ip_add(&first, 1, &gateway) < 0)
			return -EINVAL;
		if (json_object_set_new(subnet, "gateway",
					json_string(pl_ip_format(&gateway, buf))) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int create(const json_t *input, json_t **ret, struct cni_error *err)
{
	pl_autojson json_t *network = json_deep_copy(input);
	struct pl_netconf conf = {0};
	int code;

	if (!network || fill_gateways(network) < 0)
		return cni_fail(err, CNI_BAD_CONFIG, "A subnet is not an IP prefix");
	code = check_conf(network, &conf, err);
	pl_netconf_clear(&conf);
	if (code)
		return code;
	/* Its name server runs on bridges, which podlane does not make. */
	json_object_set_new(network, "dns_enabled", json_false());
	*ret = TAKE_PTR(network);
	return 0;
}

static json_t *pod_args(const json_t *options)
{
	pl_autojson json_t *w = json_object();
	json_t *ips = json_object_get(options, "static_ips");
	json_t *mac = json_object_get(options, "static_mac");

	if (json_array_size(ips))
		json_object_set(w, "ips", ips);
	if (json_string_length(mac))
		json_object_set(w, "mac", mac);
	return TAKE_PTR(w);
}

static int fill_env(const json_t *input, const char *netns, struct cni_env *env,
		    struct cni_error *err)
{
	const json_t *options = json_object_get(input, "network_options");

	env->command = "ADD";
	env->args = NULL;
	env->netns = netns;
	env->container_id = json_string_value(json_object_get(input, "container_id"));
	env->ifname = json_string_value(json_object_get(options, "interface_name"));
	if (!env->container_id || !pl_name_valid(env->container_id))
		return cni_fail(err, CNI_BAD_CONFIG, "container_id is missing or no container id");
	if (!env->ifname || !pl_ifname_valid(env->ifname))
		return cni_fail(err, CNI_BAD_CONFIG,
				"network_options.interface_name is missing or no interface name");
	return 0;
}

static json_t *servers(const json_t *network)
{
	json_t *list = json_object_get(network, "network_dns_servers");

	return json_is_array(list) ? json_incref(list) : json_array();
}

/* The CNI result as netavark's status block. */
static json_t *status_block(const json_t *network, const char *ifname, const json_t *result)
{
	int index = cni_prev_interface(result, ifname);
	const json_t *interface =
		json_array_get(json_object_get(result, "interfaces"), (size_t)index);
	const char *mac = json_string_value(json_object_get(interface, "mac"));
	pl_autojson json_t *subnets = json_array();
	const json_t *ip;
	size_t i;

	json_array_foreach (json_object_get(result, "ips"), i, ip) {
		json_t *gateway = json_object_get(ip, "gateway");
		json_t *s = json_pack("{s:O}", "ipnet", json_object_get(ip, "address"));

		if (s && json_is_string(gateway))
			json_object_set(s, "gateway", gateway);
		if (json_array_append_new(subnets, s) < 0)
			return NULL;
	}
	return json_pack("{s:[], s:o, s:{s:{s:s, s:O}}}", "dns_search_domains", "dns_server_ips",
			 servers(network), "interfaces", ifname, "mac_address",
			 mac ? mac : "00:00:00:00:00:00", "subnets", subnets);
}

static int add_as_cni(const json_t *conf, const struct cni_env *env, json_t **ret,
		      struct cni_error *err)
{
	pl_autofree char *text = json_dumps(conf, JSON_COMPACT);
	struct cni_request r;
	int code;

	if (!text)
		return cni_fail(err, CNI_IO, "No memory left");
	code = cni_request_init(env, text, strlen(text), CNI_0_3_0, &r, err);
	if (!code)
		code = cni_verb_add(&r, ret, err);
	cni_request_clear(&r);
	return code;
}

static int setup(const json_t *input, const char *netns, const struct cni_env *base, json_t **ret,
		 struct cni_error *err)
{
	const json_t *network = json_object_get(input, "network");
	const char *name = json_string_value(json_object_get(input, "container_name"));
	pl_autojson json_t *conf = NULL;
	pl_autojson json_t *result = NULL;
	struct cni_env env = *base;
	char args[512];
	int code;

	code = fill_env(input, netns, &env, err);
	if (code)
		return code;
	if (json_array_size(json_object_get(input, "port_mappings")))
		return cni_fail(err, CNI_NOT_SUPPORTED,
				"podlane does not publish ports: the container is reached on its "
				"own address; run it without --publish");
	if (name && pl_name_valid(name)) {
		snprintf(args, sizeof(args), "IgnoreUnknown=1;K8S_POD_NAME=%s", name);
		env.args = args;
	}
	conf = cni_netavark_conf(network, err);
	if (!conf)
		return err->code;
	json_object_set_new(conf, "runtimeConfig",
			    pod_args(json_object_get(input, "network_options")));
	code = add_as_cni(conf, &env, &result, err);
	if (code)
		return code;
	*ret = status_block(network, env.ifname, result);
	return *ret ? 0 : cni_fail(err, CNI_FAILED, "The result of ADD has no usable address");
}

static int teardown(const json_t *input, const char *netns, const struct cni_env *base,
		    struct cni_error *err)
{
	const json_t *network = json_object_get(input, "network");
	struct cni_env env = *base;
	struct pl_error why = {0};
	int code = fill_env(input, netns, &env, err);

	if (code)
		return code;
	code = cni_del(&env, json_string_value(json_object_get(network, "name")), &why);
	return code < 0 ? cni_fail_from(err, &why) : 0;
}

bool cni_netavark_reads(const char *subcommand)
{
	static const char *const with_input[] = {"create", "setup", "teardown", NULL};

	return is_in(with_input, subcommand);
}

static const char usage[] =
	"usage: CNI_COMMAND=... podlane <CONFIGURATION    what a CNI runtime runs\n"
	"       podlane create <JSON | setup NETNS <JSON | teardown NETNS <JSON | info\n"
	"                                                 what podman 5 (netavark) runs\n"
	"       podlane --version | --help\n"
	"podlane as a CNI and netavark plugin; see podlane-cni(8). To connect a network\n"
	"namespace by hand use the command line's podlane endpoint add, see podlane(8).\n";

static bool is_option(const char *word, const char *letter, const char *name)
{
	return strcmp(word, letter) == 0 || strcmp(word, name) == 0;
}

static int run(int argc, char **argv, const struct cni_env *env, const json_t *input, json_t **ret,
	       struct cni_error *err)
{
	const char *netns = argc > 2 ? argv[2] : NULL;

	if (!json_is_object(input))
		return cni_fail(err, CNI_DECODE, "Standard input is not a JSON object");
	if (strcmp(argv[1], "create") == 0)
		return create(input, ret, err);
	if (!netns)
		return cni_fail(err, CNI_BAD_ENV, "%s needs the path of a network namespace",
				argv[1]);
	if (strcmp(argv[1], "setup") == 0)
		return setup(input, netns, env, ret, err);
	return teardown(input, netns, env, err);
}

int cni_netavark(int argc, char **argv, const struct cni_env *env, const char *input, size_t len,
		 FILE *out)
{
	pl_autojson json_t *answer = NULL;
	pl_autojson json_t *json = NULL;
	struct cni_error err = {0};
	int code = 0;

	if (strcmp(argv[1], "info") == 0) {
		answer =
			json_pack("{s:s, s:s}", "version", PL_VERSION, "api_version", NETAVARK_API);
	} else if (cni_netavark_reads(argv[1])) {
		json = json_loadb(input, len, 0, NULL);
		code = run(argc, argv, env, json, &answer, &err);
	} else if (is_option(argv[1], "-V", "--version")) {
		fprintf(out, "podlane %s (CNI %s to %s, netavark %s)\n", PL_VERSION,
			cni_version_name(0), cni_version_name(CNI_VERSION_COUNT - 1), NETAVARK_API);
		return 0;
	} else {
		bool help = is_option(argv[1], "-h", "--help");

		fputs(usage, help ? out : stderr);
		return help ? 0 : 2;
	}
	if (code) {
		json_decref(answer);
		answer = cni_error_to_netavark(&err);
	}
	if (answer && (json_dumpf(answer, out, JSON_COMPACT) < 0 || fputc('\n', out) == EOF ||
		       fflush(out) == EOF))
		return 1;
	return code ? 1 : 0;
}
