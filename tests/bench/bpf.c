/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the bench does with BPF that no tool does for it: attaches the do-nothing programs of
 * limit.bpf.c, fills podlane's pinned maps with endpoints and connections that nobody has, and
 * reads what a run of a program costs. Only a node whose daemon has ended is filled, but for one
 * command that says so: a daemon would sweep it clean.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/wait.h>
#include <time.h>

#include "limit.h"
#include "common/util.h"
#include "podlane/abi.h"

/* Of Linux 6.6, which Debian 12's headers do not name. */
enum { BENCH_BPF_TCX_INGRESS = 46 };

enum {
	FAKE_IFINDEX = 1 << 20, /* no device has an index that high */
	PROGRAMS_MAX = 8,
};

static int failed(int code, const char *what, const char *object)
{
	fprintf(stderr, "bpf: %s %s: %s\n", what, object, strerror(-code));
	return code;
}

/* ---- limit: attach a do-nothing program ---- */

static int set_constants(struct bpf_object *obj, const struct limit *wanted)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, ".rodata");
	size_t size;
	const void *now = map ? bpf_map__initial_value(map, &size) : NULL;

	if (!now || size != sizeof(*wanted))
		return -EINVAL;
	return bpf_map__set_initial_value(map, wanted, sizeof(*wanted));
}

/* tcx where the kernel has it, else clsact. */
static int attach_ingress(int prog_fd, int ifindex, const char *pin)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd);
	pl_autoclose int link = bpf_link_create(prog_fd, ifindex,
						(enum bpf_attach_type)BENCH_BPF_TCX_INGRESS, NULL);
	int r;

	if (link >= 0)
		return bpf_obj_pin(link, pin) ? -errno : 0;
	r = bpf_tc_hook_create(&hook);
	if (r && r != -EEXIST)
		return r;
	return bpf_tc_attach(&hook, &opts);
}

/* OBJECT PROGRAM DEVICE TARGET PIN [NEXT4 NEXT6] */
static int attach_limit(int argc, char **argv)
{
	struct limit constants = {0};
	struct bpf_object *obj;
	struct bpf_program *prog;
	char pin[256];
	int r;

	if (argc != 5 && argc != 7)
		return -EINVAL;
	constants.target = if_nametoindex(argv[3]);
	if (!constants.target || !if_nametoindex(argv[2]))
		return failed(-ENODEV, "find device", constants.target ? argv[2] : argv[3]);
	if (argc == 7 && (inet_pton(AF_INET, argv[5], &constants.next4) != 1 ||
			  inet_pton(AF_INET6, argv[6], constants.next6) != 1))
		return -EINVAL;
	obj = bpf_object__open_file(argv[0], NULL);
	if (!obj)
		return failed(-errno, "open", argv[0]);
	prog = bpf_object__find_program_by_name(obj, argv[1]);
	r = prog ? set_constants(obj, &constants) : -ENOENT;
	r = r ?: bpf_object__load(obj);
	snprintf(pin, sizeof(pin), "%s-link", argv[4]);
	r = r ?: bpf_program__pin(prog, argv[4]);
	r = r ?: attach_ingress(bpf_program__fd(prog), (int)if_nametoindex(argv[2]), pin);
	bpf_object__close(obj);
	return r ? failed(r, "attach the do-nothing program to", argv[2]) : 0;
}

/* ---- endpoints: those that nobody has ---- */

struct node_maps {
	int endpoints, addrs4, addrs6, links;
};

static int open_map(const char *dir, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? failed(-errno, "open the pinned map", path) : fd;
}

static int endpoint_one(const struct node_maps *maps, uint32_t id, bool make)
{
	const uint32_t ifindex = FAKE_IFINDEX + id;
	const uint32_t number = htonl(id);
	const struct pl_device link = {.endpoint = id, .role = PL_ROLE_ENDPOINT};
	const struct pl_addr addr = {.endpoint = id, .kind = PL_ADDR_POD};
	struct pl_addr4 ip4 = {{10, 128}};
	struct pl_addr6 ip6 = {{0xfd, 0x99}};
	struct pl_endpoint_info ep = {.ifindex = ifindex, .mtu = 1500, .generation = 1}, found;
	struct pl_device device;
	struct pl_addr address;

	memcpy(ip4.addr + 1, (const uint8_t *)&number + 1, 3);
	ip4.addr[1] |= 128;
	memcpy(ip6.addr + 12, &number, sizeof(number));
	memcpy(ep.ip4, ip4.addr, sizeof(ep.ip4));
	memcpy(ep.ip6, ip6.addr, sizeof(ep.ip6));
	if (!make) {
		if (bpf_map_lookup_elem(maps->links, &ifindex, &device) ||
		    bpf_map_lookup_elem(maps->addrs4, &ip4, &address) ||
		    bpf_map_lookup_elem(maps->addrs6, &ip6, &address) ||
		    bpf_map_lookup_elem(maps->endpoints, &id, &found))
			return -errno;
		return found.ifindex == ifindex ? 0 : -ESTALE;
	}
	if (bpf_map_update_elem(maps->endpoints, &id, &ep, BPF_ANY) ||
	    bpf_map_update_elem(maps->links, &ifindex, &link, BPF_NOEXIST) ||
	    bpf_map_update_elem(maps->addrs4, &ip4, &addr, BPF_NOEXIST) ||
	    bpf_map_update_elem(maps->addrs6, &ip6, &addr, BPF_NOEXIST))
		return -errno;
	return 0;
}

/*
 * make|check MAPS-FOLDER COUNT: from the highest slot downwards, the real ones are at the other
 * end. check says whether they are still there.
 */
static int endpoints(int argc, char **argv)
{
	bool make = argc > 0 && !strcmp(argv[0], "make");
	struct node_maps maps;
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	uint64_t n;
	int r = 0;

	if (argc != 3 || (!make && strcmp(argv[0], "check")) ||
	    pl_parse_u64(argv[2], 1, 1 << 20, &n))
		return -EINVAL;
	maps.endpoints = open_map(argv[1], "pl_endpoints");
	maps.addrs4 = open_map(argv[1], "pl_addrs4");
	maps.addrs6 = open_map(argv[1], "pl_addrs6");
	maps.links = open_map(argv[1], "pl_devices");
	if (maps.endpoints < 0 || maps.addrs4 < 0 || maps.addrs6 < 0 || maps.links < 0)
		return -ENOENT;
	if (bpf_obj_get_info_by_fd(maps.endpoints, &info, &len) || n + 16 > info.max_entries)
		return failed(-ENOSPC, "fill the maps of", argv[1]);
	for (uint32_t i = 1; i <= n && !r; i++)
		r = endpoint_one(&maps, info.max_entries - i, make);
	return r ? failed(r, make ? "add an endpoint to" : "find an endpoint in", argv[1]) : 0;
}

/* ---- flows: connections that nobody has ---- */

enum flows_task { FLOWS_MAKE, FLOWS_CHECK, FLOWS_FILL };

/* The kernel's jiffies, lower half, within some seconds: they begin five minutes before 0. */
static uint32_t jiffies_about(void)
{
	struct timespec now, tick;

	clock_gettime(CLOCK_MONOTONIC, &now);
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (uint32_t)((now.tv_sec - 300) * (1000000000 / tick.tv_nsec));
}

/* 0 where the entry was new, or is there. */
static int flow_one(int flows4, int flows6, uint32_t n, enum flows_task task)
{
	/* A daemon sweeps out those that name endpoints that are not there. */
	struct pl_flow made = {.state = PL_FLOW_FAST,
			       .sent = {PL_SENT_ANY, PL_SENT_ANY},
			       .end = {{1, 1 << 30}, {2, 1 << 30}}};
	const uint32_t number = htonl(n);
	struct pl_flow4_key v4 = {.addr = {{10, 128, 0, 1}, {10}}, .protocol = PL_IPPROTO_TCP};
	struct pl_flow6_key v6 = {.addr = {{0xfd, 0x99}, {0xfd, 0x9a}}, .protocol = PL_IPPROTO_TCP};
	struct pl_flow found;

	memcpy(v4.addr[1] + 1, (const uint8_t *)&number + 1, 3);
	memcpy(v6.addr[1] + 12, &number, sizeof(number));
	v4.addr[1][1] |= 128;
	v4.port[0] = v6.port[0] = htons(8080);
	v4.port[1] = v6.port[1] = htons((uint16_t)(32768 + n % 28232));
	if (task == FLOWS_FILL) {
		memset(made.end, 0, sizeof(made.end)); /* PL_NODE */
		made.seen = jiffies_about();
	}
	if (task == FLOWS_CHECK ? bpf_map_lookup_elem(flows4, &v4, &found) ||
					  bpf_map_lookup_elem(flows6, &v6, &found)
				: bpf_map_update_elem(flows4, &v4, &made, BPF_NOEXIST) ||
					  bpf_map_update_elem(flows6, &v6, &made, BPF_NOEXIST))
		return -errno;
	return 0;
}

/* Until there is no room: prints how many went in. */
static int flows_fill(int flows4, int flows6)
{
	uint32_t n = 0;
	int r;

	while (!(r = flow_one(flows4, flows6, n, FLOWS_FILL)))
		n++;
	printf("%u\n", n);
	return r == -E2BIG && n ? 0 : r;
}

/*
 * make|check MAPS-FOLDER COUNT: check says whether they are still there. fill MAPS-FOLDER: as many
 * as there is room for, which a daemon leaves alone.
 */
static int flows(int argc, char **argv)
{
	bool make = argc > 0 && !strcmp(argv[0], "make");
	bool fill = argc == 2 && !strcmp(argv[0], "fill");
	int flows4, flows6, r = 0;
	uint64_t n = 0;

	if (!fill && (argc != 3 || (!make && strcmp(argv[0], "check")) ||
		      pl_parse_u64(argv[2], 1, 1 << 20, &n)))
		return -EINVAL;
	flows4 = open_map(argv[1], "pl_flows4");
	flows6 = open_map(argv[1], "pl_flows6");
	if (flows4 < 0 || flows6 < 0)
		return -ENOENT;
	if (fill)
		r = flows_fill(flows4, flows6);
	for (uint32_t i = 0; i < n && !r; i++)
		r = flow_one(flows4, flows6, i, make ? FLOWS_MAKE : FLOWS_CHECK);
	return r ? failed(r, make || fill ? "add a connection to" : "find a connection in", argv[1])
		 : 0;
}

/* ---- cost: what a run of a program takes while a command runs ---- */

struct program {
	const char *pin;
	int fd;
	struct bpf_prog_info before;
};

static int read_info(int fd, struct bpf_prog_info *ret)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*ret = info;
	return 0;
}

static int run_command(char **argv)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return status ? failed(-ECHILD, "run", argv[0]) : 0;
}

static int print_cost(const struct program *p)
{
	struct bpf_prog_info now;
	int r = read_info(p->fd, &now);
	uint64_t runs;

	if (r < 0)
		return r;
	runs = now.run_cnt - p->before.run_cnt;
	printf("{\"program\": \"%s\", \"runs\": %llu, \"ns\": %.2f, \"verified\": %u, "
	       "\"instructions\": %zu, \"machine_bytes\": %u}\n",
	       p->pin, (unsigned long long)runs,
	       runs ? (double)(now.run_time_ns - p->before.run_time_ns) / (double)runs : 0.0,
	       now.verified_insns, now.xlated_prog_len / sizeof(struct bpf_insn),
	       now.jited_prog_len);
	return 0;
}

/* PINNED-PROGRAM... -- COMMAND...: a line of JSON for each program, after the command's output */
static int cost(int argc, char **argv)
{
	struct program programs[PROGRAMS_MAX] = {0};
	pl_autoclose int stats = -1; /* statistics are on as long as this is open */
	int n = 0, r = 0;

	while (n < argc && n < PROGRAMS_MAX && strcmp(argv[n], "--"))
		n++;
	if (n + 1 >= argc || strcmp(argv[n], "--"))
		return -EINVAL;
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats < 0)
		return failed(-errno, "turn on", "run time statistics");
	for (int i = 0; i < n && !r; i++) {
		struct program *p = &programs[i];

		p->pin = argv[i];
		p->fd = bpf_obj_get(p->pin);
		r = p->fd < 0 ? failed(-errno, "open program", p->pin)
			      : read_info(p->fd, &p->before);
	}
	r = r ?: run_command(argv + n + 1);
	fflush(stdout);
	for (int i = 0; i < n && !r; i++)
		r = print_cost(&programs[i]);
	return r;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {{"limit", attach_limit},
			{"endpoints", endpoints},
			{"flows", flows},
			{"cost", cost}};

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(quiet);
	for (size_t i = 0; argc > 1 && i < PL_ARRAY_SIZE(commands); i++) {
		int r;

		if (strcmp(argv[1], commands[i].name))
			continue;
		r = commands[i].run(argc - 2, argv + 2);
		if (r != -EINVAL)
			return !!r;
	}
	fprintf(stderr, "usage: bpf limit OBJECT PROGRAM DEVICE TARGET PIN [NEXT4 NEXT6]\n"
			"       bpf endpoints make|check MAPS-FOLDER COUNT\n"
			"       bpf flows make|check MAPS-FOLDER COUNT\n"
			"       bpf flows fill MAPS-FOLDER\n"
			"       bpf cost PINNED-PROGRAM... -- COMMAND...\n");
	return 2;
}
