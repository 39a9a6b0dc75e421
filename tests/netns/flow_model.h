/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The reference: which connection must work, and under whose address each side must see the other.
 * It reads the rule set's features alone. The plain stack, without podlane's programs, is held to
 * it first, and so proves the reference right; then the programs are.
 *
 * One exception: a connection through a service may fail while a direct one from the same port to
 * the same backend is open and took the fast path: the stack does not know of the direct one, and
 * so gives the other no other port. For UDP and ping, which have no end, "open" means used since
 * the port's first use.
 *
 * Beside IPVS this goes both ways, by the plain stack, too: it takes what a backend sends to a port
 * that used the service for the service's answer, until it forgets the connection, minutes after
 * its end. A direct connection from that port to that backend fails then, and so does one that was
 * open when the service's began.
 *
 * A client's port that the server still holds in TIME_WAIT is taken anew where timestamps grow:
 * the namespaces therefore use timestamps without a random offset (tcp_timestamps=2).
 */
#ifndef FLOW_MODEL_H
#define FLOW_MODEL_H

#include <ifaddrs.h>
#include "flow_actor.h"

enum target_kind { DIRECT, SERVICE, NODEPORT, HOSTPORT };

struct target {
	enum target_kind kind;
	char address[INET6_ADDRSTRLEN];
	char name[32];
	unsigned int backends; /* bits of places */
	bool any;	       /* takes every port */
};

enum view { AS_ITSELF, AS_NODE };

struct connection {
	bool open;
	int fd;
	uint64_t id;
	uint32_t seq;
	int client, family, backend;
	uint16_t port;
	bool direct;
	char name[160];
};

enum {
	CONNECTIONS = 48,
	PORTS = 4,    /* of one client at a time */
	WINDOW = 100, /* steps, then the next ports */
	MAX_FAILURES = 4,
	NOTES = 512,
};

struct model {
	const struct rules *rules;
	bool attached;	 /* podlane's programs */
	bool remembered; /* conntrack cannot be asked */
	uint64_t seed, random;
	unsigned int step, ids, small;
	uint16_t first_port;
	struct connection connections[CONNECTIONS];
	int udp[N_PLACES][N_FAMILIES][PORTS];		      /* sockets; -1 */
	unsigned int udp_direct[N_PLACES][N_FAMILIES][PORTS]; /* bits of backends */
	unsigned int udp_service[N_PLACES][N_FAMILIES][PORTS];
	unsigned int tcp_service[N_PLACES][N_FAMILIES][PORTS + 1]; /* the last: TCP_PORT */
	unsigned int ping_direct[N_PLACES][N_FAMILIES][PORTS];
	unsigned int refused_direct[N_PLACES][N_FAMILIES][PORTS]; /* of UDP */
	unsigned int failures, done, excused, unused, late;
	char notes[NOTES][256];
	unsigned int n_notes;
};

static inline uint32_t draw(struct model *m, uint32_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (uint32_t)((m->random >> 20) % below);
}

/* Each step draws its own: one that went otherwise than before does not change the next ones. */
static inline void begin_step(struct model *m)
{
	m->random = (m->seed * 2 + m->attached + 1) * 0x9e3779b97f4a7c15 ^
		    (m->step + 1) * 0xbf58476d1ce4e5b9;
	for (int i = 0; i < 4; i++)
		draw(m, 2);
}

__attribute__((format(printf, 2, 3))) static inline void note(struct model *m, const char *format,
							      ...)
{
	char *at = m->notes[m->n_notes++ % NOTES];
	size_t size = sizeof(m->notes[0]);
	int n = snprintf(at, size, "%u%s ", m->step, m->attached ? "" : " (plain)");
	va_list args;

	va_start(args, format);
	vsnprintf(at + n, size - (size_t)n, format, args);
	va_end(args);
}

/* The last step failed: what it was, and those before it that concern @port, and the last ones. */
__attribute__((format(printf, 3, 4))) static inline void failed(struct model *m, uint16_t port,
								const char *format, ...)
{
	unsigned int first = m->n_notes > NOTES ? m->n_notes - NOTES : 0, from = m->n_notes;
	char text[320], key[16];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(key, sizeof(key), ":%u", port);
	print_message("# FAILED, %s, rules \"%s\", step %u: %s\n",
		      m->attached ? "podlane" : "the plain stack (the reference is wrong)",
		      m->rules->name, m->step, text);
	for (unsigned int shown = 0; from > first && shown < 12; from--)
		shown += !!strstr(m->notes[(from - 1) % NOTES], key);
	print_message("#   steps that used port %u:\n", port);
	for (; from < m->n_notes; from++)
		if (strstr(m->notes[from % NOTES], key))
			print_message("#     %s\n", m->notes[from % NOTES]);
	print_message("#   the last steps:\n");
	for (from = m->n_notes > first + 8 ? m->n_notes - 8 : first; from < m->n_notes; from++)
		print_message("#     %s\n", m->notes[from % NOTES]);
	m->failures++;
}

static inline bool features(const struct model *m, unsigned int f)
{
	return (m->rules->features & f) == f;
}

static inline bool node_has(const char *address)
{
	struct sockaddr_storage a;
	char text[INET6_ADDRSTRLEN];
	struct ifaddrs *all, *i;
	bool found = false;

	assert_int_equal(getifaddrs(&all), 0);
	for (i = all; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr ||
		    (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&a, i->ifa_addr,
		       i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							 : sizeof(struct sockaddr_in6));
		found = !strcmp(address_of(&a, text), address);
	}
	freeifaddrs(all);
	return found;
}

/* As whom the backend must see the client. */
static inline enum view view_of(const struct model *m, int client, const struct target *t,
				int backend)
{
	bool out = backend == OUTSIDE;

	if (client == NODE || t->kind == NODEPORT || backend == client)
		return AS_NODE;
	if (features(m, HAS_NO_NATIVE))
		out |= backend == REMOTE || backend == REMOTE2;
	return is_pod(client) && features(m, HAS_MASQUERADE) && out ? AS_NODE : AS_ITSELF;
}

static inline bool seen_right(const struct model *m, int client, int family, const struct target *t,
			      const struct message *answer)
{
	if (answer->place >= N_PLACES || !(t->backends & 1 << answer->place))
		return false;
	if (view_of(m, client, t, answer->place) == AS_ITSELF)
		return !strcmp(answer->seen, places[client].address[family]);
	return node_has(answer->seen);
}

/*
 * The exception. @direct: the backends to which direct connections of this port are open;
 * @service: those that it has used a service of.
 */
static inline bool excused(const struct model *m, int client, const struct target *t,
			   unsigned int direct, unsigned int service)
{
	if (t->kind == DIRECT)
		return features(m, HAS_IPVS) && service & t->backends;
	if (client == NODE && !features(m, HAS_IPVS))
		return false;
	for (int p = 0; p < N_PLACES; p++)
		if (direct & t->backends & 1 << p && view_of(m, client, t, p) == AS_ITSELF)
			return true;
	return false;
}

static inline unsigned int open_direct(const struct model *m, int client, int family, uint16_t port)
{
	unsigned int bits = 0;

	for (int i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = &m->connections[i];

		if (c->open && c->direct && c->client == client && c->family == family &&
		    c->port == port)
			bits |= 1U << c->backend;
	}
	return bits;
}

static inline uint16_t port_number(const struct model *m, int i)
{
	return (uint16_t)(m->first_port + m->step / WINDOW * PORTS + (unsigned int)i);
}

/* A client, and what it asks: a place itself, a service, a port of the node. */
static inline void choose(struct model *m, int *client, int *family, struct target *t)
{
	static const int clients[] = {POD_A, POD_A, POD_A, POD_B,  POD_B,
				      POD_C, POD_C, NODE,  REMOTE, OUTSIDE};
	unsigned int kind = draw(m, 10), s;
	int place;

	*client = clients[draw(m, sizeof(clients) / sizeof(clients[0]))];
	*family = (int)draw(m, 2);
	memset(t, 0, sizeof(*t));
	if (kind < 5 && features(m, HAS_SERVICES) && (*family == V4 || features(m, HAS_V6)) &&
	    *client <= NODE) {
		s = draw(m, features(m, HAS_BOTH) ? N_SERVICES : SERVICE_BOTH);
		t->kind = SERVICE;
		t->backends = services[s].backends;
		t->any = features(m, HAS_ANY);
		snprintf(t->address, sizeof(t->address), "%s", services[s].address[*family]);
		snprintf(t->name, sizeof(t->name), "%s", services[s].name);
		return;
	}
	if (kind < 7 && m->rules->features & (HAS_NODE_PORT | HAS_HOST_PORT) &&
	    (*family == V4 || features(m, HAS_V6))) {
		t->kind = features(m, HAS_NODE_PORT) ? NODEPORT : HOSTPORT;
		t->backends = 1U << (t->kind == NODEPORT ? REMOTE : POD_B);
		snprintf(t->address, sizeof(t->address), "%s", places[NODE].address[*family]);
		snprintf(t->name, sizeof(t->name), "%s",
			 t->kind == NODEPORT ? "node port" : "host port");
		return;
	}
	/* The network between the others is none of podlane's. */
	do
		place = (int)draw(m, N_PLACES);
	while (place == *client || (*client > NODE && place >= NODE));
	t->kind = DIRECT;
	t->any = true;
	t->backends = 1U << place;
	snprintf(t->address, sizeof(t->address), "%s", places[place].address[*family]);
	snprintf(t->name, sizeof(t->name), "%s", places[place].name);
}

static inline uint16_t tcp_port(struct model *m, const struct target *t)
{
	switch (t->kind) {
	case NODEPORT:
		return NODE_PORT;
	case HOSTPORT:
		return HOST_PORT;
	default:
		return t->any || draw(m, 2) ? TCP_PORT : SERVICE_TCP;
	}
}

static inline uint16_t udp_port(const struct target *t)
{
	switch (t->kind) {
	case NODEPORT:
		return NODE_PORT_UDP;
	case HOSTPORT:
		return HOST_PORT_UDP;
	default:
		return t->any ? UDP_PORT : SERVICE_UDP;
	}
}

/* "a:40001 tcp -> service b (10.96.0.2:80)" */
static inline void name_step(char *out, size_t size, int client, uint16_t from, const char *what,
			     const struct target *t, uint16_t to)
{
	snprintf(out, size, "%s:%u %s -> %s (%s %u)", places[client].name, from, what, t->name,
		 t->address, to);
}

static inline const char *outcome(int r)
{
	return r ? strerror(-r) : "works";
}

#endif
