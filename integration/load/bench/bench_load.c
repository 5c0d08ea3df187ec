/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for analyzers: thousands of collectors in one process, with made-up or recorded events. It
 * starts nobody and measures itself only; bench_load.py starts the services, watches them, and is
 * what ./dev bench load runs.
 * Phases: connect, idle, run, drain. A line of JSON a second says how far it is; at "hold" it waits
 * for a line on standard input, so that whoever measures can do so. The last line is the sum.
 */
#include "common/base/config.h"
#include "common/base/log.h"
#include "common/rpc/tls.h"
#include "integration/load/fleet.h"
#include "integration/load/recording.h"
#include "integration/load/world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#define TARGETS_MAX 64u
#define BATCH_NS    (50 * PW_NS_PER_MS) /* the age at which a collector closes a batch */
#define FAST_EVENTS 256u
#define FAST_WINDOW 256u /* batches that may wait at a collector when there is no rate */
#define LATE_NS     PW_NS_PER_S
#define CONNECT_NS  (120 * PW_NS_PER_S)
#define DRAIN_NS    (60 * PW_NS_PER_S)
#define ONE_MILLION 1000000u

struct settings {
	const char *targets, *replay, *ca, *cert, *key;
	uint64_t nodes, per_target, pods, groups, keys, rate, novelty_ppm, zipf_percent, attacks,
		seed;
	uint64_t exec, open, connect, dns;
	uint64_t idle_ns, run_ns, backlog_bytes;
	bool hold;
};

#define S(field) offsetof(struct settings, field)
static const struct pw_setting table[] = {
	{"targets", PW_SETTING_TEXT, S(targets), "127.0.0.1:7443", 0, 0, NULL, "ADDRESSES",
		"Analyzers' addresses, commas between"},
	{"per-target", PW_SETTING_U64, S(per_target), "4096", 1, FLEET_MAX, NULL, "COUNT",
		"Collectors that connect to one address before the next is used"},
	{"tls-ca", PW_SETTING_TEXT, S(ca), NULL, 0, 0, NULL, "FILE",
		"Authorities; nothing = plain text"},
	{"tls-cert", PW_SETTING_TEXT, S(cert), NULL, 0, 0, NULL, "FILE",
		"Certificate of all collectors"},
	{"tls-key", PW_SETTING_TEXT, S(key), NULL, 0, 0, NULL, "FILE", "Its key"},
	{"nodes", PW_SETTING_U64, S(nodes), "100", 1, FLEET_MAX, NULL, "COUNT", "Collectors"},
	{"pods", PW_SETTING_U64, S(pods), "10", 1, WORLD_PODS_MAX, NULL, "COUNT", "Pods of a node"},
	{"groups", PW_SETTING_U64, S(groups), "200", 1, 1u << 20, NULL, "COUNT", "Pod groups"},
	{"keys", PW_SETTING_U64, S(keys), "200", 1, WORLD_KEYS_MAX, NULL, "COUNT",
		"Files that a group opens; a tenth as many peers and names"},
	{"rate", PW_SETTING_U64, S(rate), "100", 0, 1000000, NULL, "COUNT",
		"Events of a node per second; 0 = as fast as they are taken"},
	{"novelty", PW_SETTING_U64, S(novelty_ppm), "1000", 0, ONE_MILLION, NULL, "COUNT",
		"Events of a million that were never seen before"},
	{"zipf", PW_SETTING_U64, S(zipf_percent), "100", 0, 1000, NULL, "PERCENT",
		"Exponent of the popularity"},
	{"exec", PW_SETTING_U64, S(exec), "5", 0, 1000, NULL, "WEIGHT", "Share of program starts"},
	{"open", PW_SETTING_U64, S(open), "75", 0, 1000, NULL, "WEIGHT", "Share of opened files"},
	{"connect", PW_SETTING_U64, S(connect), "15", 0, 1000, NULL, "WEIGHT",
		"Share of connections"},
	{"dns", PW_SETTING_U64, S(dns), "5", 0, 1000, NULL, "WEIGHT", "Share of names asked for"},
	{"attacks", PW_SETTING_U64, S(attacks), "20", 0, 10000, NULL, "COUNT",
		"Opened files below " WORLD_ATTACK_PATHS " per second, in all"},
	{"replay", PW_SETTING_TEXT, S(replay), NULL, 0, 0, NULL, "FILE",
		"A recording that happens to every node again and again, instead of made-up "
		"events"},
	{"seed", PW_SETTING_U64, S(seed), "1", 0, 0, NULL, "NUMBER",
		"Another one is another cluster"},
	{"idle", PW_SETTING_DURATION, S(idle_ns), "0s", 0, 3600 * PW_NS_PER_S, NULL, "DURATION",
		"How long nothing happens after all are connected"},
	{"run", PW_SETTING_DURATION, S(run_ns), "10s", 0, 24 * 3600 * PW_NS_PER_S, NULL, "DURATION",
		"How long events happen"},
	{"backlog", PW_SETTING_SIZE, S(backlog_bytes), "4M", 1u << 16, 1u << 30, NULL, "SIZE",
		"Ceiling of one collector's backlog"},
	{"hold", PW_SETTING_BOOL, S(hold), "false", 0, 0, NULL, NULL,
		"Wait for a line on standard input before the run"},
};

static const struct pw_config_spec spec = {
	.program = "bench_load",
	.purpose = "Many collectors for one analyzer, with made-up or recorded events.",
	.settings = table,
	.count = PW_COUNT(table),
};

struct load {
	struct settings s;
	char addresses[2048];
	const char *targets[TARGETS_MAX];
	uint32_t target_count;
	struct pw_tls *tls;
	struct fleet *fleet;
	struct world *world;
	struct recording *recording;
	struct world_node nodes[FLEET_MAX];
	uint64_t due[FLEET_MAX];    /* boot time of the end of the next batch */
	uint64_t rounds[FLEET_MAX]; /* batches of the recording so far */
	double owed[FLEET_MAX];     /* parts of an event */
	double attacks_owed;
	uint64_t began, told, made, attacks, late, refused;
	const char *phase;
};

static void tell(struct load *l, bool always)
{
	uint64_t now = pw_mono_now().ns;
	struct fleet_totals t;
	struct rusage self;

	if (!always && now - l->told < PW_NS_PER_S)
		return;
	l->told = now;
	fleet_sum(l->fleet, &t);
	(void)getrusage(RUSAGE_SELF, &self);
	(void)printf("{\"phase\":\"%s\",\"t\":%.1f,\"nodes\":%" PRIu64
		     ",\"connected\":%u,\"idle\":%u,"
		     "\"made\":%" PRIu64 ",\"attacks\":%" PRIu64 ",\"sent\":%" PRIu64
		     ",\"resent\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"backlog_bytes\":%" PRIu64
		     ",\"backlog_batches\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"refused\":%" PRIu64
		     ",\"late\":%" PRIu64 ",\"throttles\":%" PRIu64 ",\"disconnects\":%" PRIu64
		     ",\"groups\":%u,\"cpu_s\":%.2f}\n",
		l->phase, (double)(now - l->began) / 1e9, l->s.nodes, t.connected, t.idle, l->made,
		l->attacks, t.sent_events, t.resent_events, t.bytes_sent, t.backlog_bytes,
		t.backlog_batches, t.dropped_events, l->refused, l->late, t.throttles,
		t.disconnects, l->world ? world_groups_of(l->world, (uint32_t)l->s.nodes) : 1,
		(double)self.ru_utime.tv_sec + (double)self.ru_stime.tv_sec +
			(double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6);
	(void)fflush(stdout);
}

static void nap_ms(uint32_t ms)
{
	(void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static int wait_connected(struct load *l, struct pw_err *err)
{
	struct fleet_totals t;

	for (;;) {
		fleet_sum(l->fleet, &t);
		if (t.connected == l->s.nodes)
			return 0;
		if (pw_mono_now().ns - l->began > CONNECT_NS)
			return pw_err_set(err, -ETIMEDOUT, "%u of %llu collectors are connected",
				t.connected, (unsigned long long)l->s.nodes);
		tell(l, false);
		nap_ms(20);
	}
}

static int give(struct load *l, uint32_t node, struct pw_batch *b)
{
	uint32_t events = b->event_count;

	if (fleet_push(l->fleet, node, b))
		l->made += events;
	else
		l->refused += events;
	return 0;
}

static int make_recorded(struct load *l, uint32_t node)
{
	uint64_t n = l->rounds[node]++;
	uint32_t count = recording_count(l->recording);
	struct pw_batch *b = NULL;
	int r = recording_batch(
		l->recording, (uint32_t)(n % count), 1 + n / count, pw_boot_now(), &b);

	return r < 0 ? r : give(l, node, b);
}

static int make_events(struct load *l, uint32_t node, struct world_span *span)
{
	struct pw_batch *b = NULL;
	int r;

	if (l->attacks_owed >= 1 && span->events > 0) {
		span->attacks =
			l->attacks_owed < span->events ? (uint32_t)l->attacks_owed : span->events;
		l->attacks_owed -= span->attacks;
	}
	span->boot_to_wall_ns = pw_boot_to_wall_offset();
	r = world_batch(l->world, &l->nodes[node], span, &b);
	if (r < 0)
		return r;
	l->attacks += span->attacks;
	return give(l, node, b);
}

/* A node's batch is due every BATCH_NS; what cannot keep up is said, not made up for. */
static int run_node(struct load *l, uint32_t node, uint64_t now)
{
	struct world_span span = {.from = {l->due[node] - BATCH_NS}, .ns = BATCH_NS};

	if (now < l->due[node])
		return 0;
	if (now - l->due[node] > LATE_NS) {
		l->late++;
		l->due[node] = now;
	}
	l->due[node] += BATCH_NS;
	l->attacks_owed += (double)l->s.attacks * BATCH_NS / 1e9 / (double)l->s.nodes;
	if (l->recording)
		return make_recorded(l, node);
	l->owed[node] += (double)l->s.rate * BATCH_NS / 1e9;
	if (l->owed[node] < 1)
		return 0;
	span.events = l->owed[node] < WORLD_EVENTS_MAX ? (uint32_t)l->owed[node] : WORLD_EVENTS_MAX;
	l->owed[node] -= span.events;
	return make_events(l, node, &span);
}

/* Without a rate: whoever has few batches under way gets another. */
static int fill_node(struct load *l, uint32_t node, uint64_t now)
{
	struct world_span span = {.from = {now}, .events = FAST_EVENTS};

	if (fleet_waiting(l->fleet, node) >= FAST_WINDOW)
		return 0;
	return l->recording ? make_recorded(l, node) : make_events(l, node, &span);
}

static int run(struct load *l)
{
	uint64_t began = pw_mono_now().ns, boot = pw_boot_now().ns;
	uint64_t owed_at = began;

	for (uint32_t i = 0; i < l->s.nodes; i++)
		l->due[i] = boot + BATCH_NS + BATCH_NS * i / l->s.nodes;
	while (pw_mono_now().ns - began < l->s.run_ns) {
		uint64_t made = l->made, mono = pw_mono_now().ns;
		int r = 0;

		boot = pw_boot_now().ns;
		if (l->s.rate == 0)
			l->attacks_owed += (double)l->s.attacks * (double)(mono - owed_at) / 1e9;
		owed_at = mono;
		for (uint32_t i = 0; r == 0 && i < l->s.nodes; i++)
			r = l->s.rate == 0 ? fill_node(l, i, boot) : run_node(l, i, boot);
		if (r < 0)
			return r;
		tell(l, false);
		if (l->s.rate > 0 || l->made == made)
			nap_ms(2);
	}
	return 0;
}

static int drain(struct load *l, struct pw_err *err)
{
	uint64_t began = pw_mono_now().ns;
	struct fleet_totals t;

	for (;;) {
		fleet_sum(l->fleet, &t);
		if (t.idle == l->s.nodes)
			return 0;
		if (pw_mono_now().ns - began > DRAIN_NS)
			return pw_err_set(err, -ETIMEDOUT, "%llu batches are not durable",
				(unsigned long long)t.backlog_batches);
		tell(l, false);
		nap_ms(5);
	}
}

static void set_phase(struct load *l, const char *phase)
{
	l->phase = phase;
	tell(l, true);
}

static int go(struct load *l, struct pw_err *err)
{
	char line[16];
	int r = wait_connected(l, err);

	if (r < 0)
		return r;
	set_phase(l, "idle");
	for (uint64_t until = pw_mono_now().ns + l->s.idle_ns; pw_mono_now().ns < until;) {
		nap_ms(20);
		tell(l, false);
	}
	if (l->s.hold) {
		set_phase(l, "hold");
		if (!fgets(line, sizeof(line), stdin))
			return pw_err_set(err, -EPIPE, "nobody said go");
	}
	set_phase(l, "run");
	r = run(l);
	if (r < 0)
		return pw_err_set(err, r, "events: %s", pw_err_text(r));
	set_phase(l, "drain");
	return drain(l, err);
}

static int split_targets(struct load *l, struct pw_err *err)
{
	int n = snprintf(l->addresses, sizeof(l->addresses), "%s", l->s.targets);
	char *at = l->addresses;

	if (n < 0 || (size_t)n >= sizeof(l->addresses))
		return pw_err_set(err, -E2BIG, "--targets: too long");
	while (*at) {
		size_t len = strcspn(at, ",");

		if (l->target_count == TARGETS_MAX)
			return pw_err_set(err, -E2BIG, "--targets: more than %u", TARGETS_MAX);
		l->targets[l->target_count++] = at;
		at += len + (at[len] == ',');
		if (at[-1] == ',')
			at[-1] = '\0';
	}
	return l->target_count > 0 ? 0 : pw_err_set(err, -EINVAL, "--targets: none");
}

static int make_world(struct load *l, struct pw_err *err)
{
	const struct settings *s = &l->s;
	const struct world_settings world = {
		.groups = (uint32_t)s->groups,
		.pods = (uint32_t)s->pods,
		.keys = (uint32_t)s->keys,
		.novelty_ppm = (uint32_t)s->novelty_ppm,
		.zipf_percent = (uint32_t)s->zipf_percent,
		.weights = {(uint32_t)s->exec, (uint32_t)s->open, (uint32_t)s->connect,
			(uint32_t)s->dns},
		.seed = s->seed,
	};
	int r = 0;

	if (s->replay)
		return recording_load(s->replay, &l->recording, err);
	r = world_new(&world, &l->world, err);
	for (uint32_t i = 0; r == 0 && i < s->nodes; i++)
		l->nodes[i] = world_node(l->world, i);
	return r;
}

static int start(struct load *l, struct pw_err *err)
{
	const struct pw_tls_files files = {l->s.ca, l->s.cert, l->s.key, NULL, false};
	struct fleet_settings fleet = {
		.targets = l->targets,
		.per_target = (uint32_t)l->s.per_target,
		.nodes = (uint32_t)l->s.nodes,
		.backlog_bytes = l->s.backlog_bytes,
		.live = true,
	};
	int r = split_targets(l, err);

	if (r == 0)
		r = make_world(l, err);
	if (r == 0 && l->s.cert)
		r = pw_tls_new(&files, &l->tls, err);
	if (r < 0)
		return r;
	fleet.target_count = l->target_count;
	fleet.tls = l->tls;
	l->began = pw_mono_now().ns;
	l->phase = "connect";
	return fleet_new(&fleet, &l->fleet, err);
}

static int load_main(struct load *l, struct pw_err *err)
{
	int r = start(l, err);

	if (r == 0)
		r = go(l, err);
	if (l->fleet)
		set_phase(l, r < 0 ? "failed" : "done");
	fleet_free(l->fleet);
	pw_tls_free(l->tls);
	world_free(l->world);
	recording_free(l->recording);
	return r;
}

/* A connection and two files each. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct pw_config *config = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct load *l = pw_alloc0(1, sizeof(*l));
	int r = l ? pw_config_load(&spec, argc, argv, &l->s, &config, &err) : -ENOMEM;

	if (r == PW_CONFIG_RUN) {
		pw_log_setup(PW_LOG_ERROR, PW_LOG_LOGFMT, "bench_load");
		raise_descriptors();
		r = load_main(l, &err);
	}
	if (r < 0)
		(void)fprintf(stderr, "bench_load: %s\n", err.msg);
	pw_config_free(config);
	free(l);
	return r < 0 ? 1 : 0;
}
