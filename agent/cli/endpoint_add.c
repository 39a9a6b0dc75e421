// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane endpoint add: gives a network namespace that no runtime manages a link and addresses.
 * Opens the namespace here and passes it as a descriptor, as the CNI plugin does. Everything is
 * checked before the daemon is asked, so that a wrong word changes nothing.
 */
#include "cli/cli.h"
#include "cli/netns.h"

static enum cli_exit add_ips(struct cli *cli, const struct cli_args *args, json_t *request)
{
	json_t *ips = json_array();
	size_t cursor = 0;
	const char *text;

	while ((text = cli_next_value(args, "ip", &cursor))) {
		struct pl_ip ip;
		char canonical[PL_IP_STRLEN];

		if (pl_ip_parse(text, &ip)) {
			json_decref(ips);
			return cli_usage_error(cli, "--ip: '%s' is not a valid IP address", text);
		}
		json_array_append_new(ips, json_string(pl_ip_format(&ip, canonical)));
	}
	if (json_array_size(ips))
		json_object_set(request, "ips", ips);
	json_decref(ips);
	return CLI_OK;
}

static enum cli_exit add_names(struct cli *cli, const struct cli_args *args,
			       const struct cli_netns *ns, json_t *request)
{
	const char *ifname = cli_value(args, "ifname") ?: "eth0";
	const char *id = cli_value(args, "name") ?: ns->id;
	const char *mac = cli_value(args, "mac");
	struct pl_mac parsed;

	if (!pl_ifname_valid(ifname))
		return cli_usage_error(cli, "--ifname: '%s' is not a valid interface name", ifname);
	if (!id[0])
		return cli_usage_error(cli,
				       "%s gives no valid container id: choose one with --name "
				       "(letters, digits, '_', '.', '-')",
				       args->words[0]);
	if (!pl_name_valid(id))
		return cli_usage_error(
			cli,
			"--name: '%s' is not a valid container id: letters, digits, '_', '.' and "
			"'-', beginning with a letter or digit",
			id);
	if (mac && pl_mac_parse(mac, &parsed))
		return cli_usage_error(cli, "--mac: '%s' is not a valid MAC address", mac);
	json_object_set_new(request, "containerId", json_string(id));
	json_object_set_new(request, "ifname", json_string(ifname));
	json_object_set_new(request, "netns", json_string(ns->path));
	if (mac)
		json_object_set_new(request, "mac", json_string(mac));
	return CLI_OK;
}

static enum cli_exit apply_allow(struct cli *cli, const struct cli_args *args, json_t *network)
{
	pl_autojson json_t *allow = json_array();
	size_t cursor = 0;
	const char *name;

	while ((name = cli_next_value(args, "allow", &cursor)))
		if (json_array_append_new(allow, json_string(name)))
			return cli_out_of_memory(cli);
	if (json_array_size(allow))
		json_object_set(network, "allow", allow);
	return CLI_OK;
}

/* Sets what the options say over @network. */
static enum cli_exit apply_options(struct cli *cli, const struct cli_args *args, json_t *network)
{
	const char *link = cli_value(args, "link"), *mode = cli_value(args, "netkit-mode");
	uint64_t mtu = 0;

	if (cli_number(args, "mtu", 68, 65535, 0, &mtu, &cli->err))
		return CLI_USAGE;
	if (link)
		json_object_set_new(network, "link", json_string(link));
	if (mode && link && !strcmp(link, "veth"))
		return cli_usage_error(cli, "--netkit-mode is of no use with --link veth");
	if (mode)
		json_object_set_new(network, "netkitMode", json_string(mode));
	if (mtu)
		json_object_set_new(network, "mtu", json_integer((json_int_t)mtu));
	if (cli_given(args, "no-antispoof"))
		json_object_set_new(network, "antispoof", json_false());
	return apply_allow(cli, args, network);
}

static int check_network(const char *what, const struct pl_netconf *conf, struct pl_error *err)
{
	if (conf->mode != PL_MODE_POD)
		return pl_fail(err, -ENOTSUP,
			       "network %s accelerates the link of an earlier plugin: only a "
			       "container runtime can add to it",
			       what);
	if (strcmp(conf->ipam_type, "podlane"))
		return pl_fail(err, -ENOTSUP,
			       "network %s takes its addresses from the plugin %s, which only a "
			       "container runtime runs: choose a network with podlane's own ranges",
			       what, conf->ipam_type);
	return 0;
}

static int canonical_network(const char *what, const json_t *conf, json_t **ret,
			     struct pl_error *err)
{
	struct pl_netconf parsed = {0};
	json_t *canonical = NULL;
	int rc = pl_netconf_parse(conf, &parsed, err);

	if (rc)
		pl_fail_prefix(err, "network %s", what);
	else
		rc = check_network(what, &parsed, err);
	if (!rc)
		rc = pl_netconf_check_link(conf, &parsed, err);
	if (!rc) {
		canonical = pl_netconf_to_json(&parsed);
		if (!canonical)
			rc = pl_fail(err, -ENOMEM, "out of memory");
	}
	pl_netconf_clear(&parsed);
	if (!rc)
		*ret = canonical;
	return rc;
}

/*
 * Without --network the daemon's own is meant: only what differs is sent, in an object without a
 * name, or nothing at all.
 */
static enum cli_exit add_network(struct cli *cli, const struct cli_args *args, json_t *request)
{
	const char *what = cli_value(args, "network");
	pl_autojson json_t *conf = NULL;
	pl_autojson json_t *network = NULL;
	enum cli_exit rc;

	if (what && cli_network_load(what, &conf, &cli->err))
		return CLI_FAILED;
	if (!what)
		conf = json_object();
	rc = apply_options(cli, args, conf);
	if (rc)
		return rc;
	if (what && canonical_network(what, conf, &network, &cli->err))
		return CLI_FAILED;
	if (!what && json_object_size(conf))
		network = TAKE_PTR(conf);
	if (network)
		json_object_set(request, "network", network);
	return CLI_OK;
}

static enum cli_exit print_result(struct cli *cli, const json_t *reply)
{
	const json_t *e = json_object_get(reply, "endpoint");
	char addresses[2048], name[512];

	if (cli->json)
		return cli_print_json(cli, reply);
	printf("%s: %s has %s; host end %s, %s, %s\n", cli_endpoint_name(e, name, sizeof(name)),
	       cli_str(e, "ifname"), cli_endpoint_addresses(e, addresses, sizeof(addresses)),
	       cli_str(e, "hostIfname"), cli_str(e, "link"),
	       cli_bool(e, "ready") ? "ready"
				    : "not ready: see podlane endpoint show for the reason");
	return CLI_OK;
}

/*
 * The connection is closed by now: the daemon does not begin what it has not read, and undoes what
 * nobody was told of. One that ended may have answered already.
 */
static void say_what_becomes(struct cli *cli)
{
	char text[sizeof(cli->err.text)];

	snprintf(text, sizeof(text), "%s", cli->err.text);
	if (cli->err.code == -ETIMEDOUT)
		cli_fail(cli, -ETIMEDOUT,
			 "%s. When it resumes, it undoes this request or does not begin it", text);
	else if (cli->err.code == -EPIPE || cli->err.code == -ECONNRESET)
		cli_fail(cli, cli->err.code,
			 "%s. See podlane endpoint list for whether it had added the endpoint",
			 text);
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	pl_autojson json_t *request = cli_request("endpoint.add");
	pl_autojson json_t *reply = NULL;
	struct cli_netns ns = {.fd = -1};
	enum cli_exit rc;

	if (!request)
		return cli_out_of_memory(cli);
	rc = add_ips(cli, args, request);
	if (rc)
		return rc;
	if (cli_netns_open(args->words[0], &ns, &cli->err))
		return CLI_FAILED;
	rc = add_names(cli, args, &ns, request);
	if (!rc)
		rc = add_network(cli, args, request);
	if (!rc)
		rc = cli_call(cli, TAKE_PTR(request), ns.fd, &reply);
	if (rc == CLI_NO_DAEMON)
		say_what_becomes(cli);
	pl_closep(&ns.fd);
	return rc ? rc : print_result(cli, reply);
}

static const struct cli_option options[] = {
	{.name = "ip",
	 .arg = "ADDRESS",
	 .many = true,
	 .help = "request this address of the network's ranges"},
	{.name = "ifname", .arg = "NAME", .help = "interface in the namespace; default eth0"},
	{.name = "name", .arg = "ID", .help = "container id; default the namespace's name"},
	{.name = "network",
	 .arg = "FILE|NAME",
	 .word = CLI_WORD_FILE,
	 .help = "a CNI network of type podlane; default the daemon's own"},
	{.name = "link", .arg = "KIND", .choices = "veth|netkit|auto", .help = "kind of the link"},
	{.name = "netkit-mode",
	 .arg = "MODE",
	 .choices = "l3|l2",
	 .help = "netkit without (l3) or with (l2) Ethernet"},
	{.name = "mtu", .arg = "BYTES", .help = "of both ends; default the uplink's"},
	{.name = "mac", .arg = "MAC", .help = "of the pod's end"},
	{.name = "allow",
	 .arg = "WHAT",
	 .many = true,
	 .choices = "vlan|non-ip|link-local",
	 .help = "let the pod send this, though podlane cannot verify it"},
	{.name = "no-antispoof", .help = "do not check source addresses"},
	{0},
};

const struct cli_command cli_endpoint_add = {
	.name = "add",
	.args = "NETNS",
	.summary = "Add a link and addresses to a network namespace",
	.about =
		"NETNS is a name as 'ip netns' knows it, a path, or pid:N for the namespace of a process.",
	.options = options,
	.min_words = 1,
	.max_words = 1,
	.word = CLI_WORD_NETNS,
	.run = run,
};
