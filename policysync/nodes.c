// SPDX-License-Identifier: Apache-2.0
#include "policysync/nodes.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "podward/v1/node.pb-c.h"
#include <errno.h>
#include <stdio.h>
#include <utlist.h>

struct collector {
	struct nodes *nodes;
	struct pw_call *call; /* held */
	char name[256];       /* escaped; "" before the hello */
	bool finished;
	bool behind; /* its queue was full: it gets everything again */
	struct collector *prev, *next;
};

struct nodes {
	struct pw_rpc_loop *loop;
	struct nodes_settings settings;
	struct pw_metrics *metrics;
	struct node_table table;
	struct collector *collectors;
	uint32_t call_count;
	const Podward__V1__ShardMap *map; /* borrowed; NULL = analyzers do not share */
	uint64_t revision;
	bool up[NODES_SOURCES];
};

struct posted {
	struct nodes *nodes;
	size_t source;
	struct runtime_list *list;
	struct nodes_changes *changes;
};

/* One message in the making; pointers go into the table. */
struct part {
	Podward__V1__NodeUpdate msg;
	Podward__V1__Assignment rows[NODES_PART];
	Podward__V1__Assignment *row_ptrs[NODES_PART];
	ProtobufCBinaryData removed[NODES_PART];
	Podward__V1__Scope scope;
	Podward__V1__AnalyzerAddress analyzers[NODES_ANALYZERS];
	Podward__V1__AnalyzerAddress *analyzer_ptrs[NODES_ANALYZERS];
};

static ProtobufCBinaryData text_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void part_init(struct part *p, uint64_t revision)
{
	podward__v1__node_update__init(&p->msg);
	p->msg.revision = revision;
	p->msg.assignments = p->row_ptrs;
	p->msg.removed = p->removed;
}

static void part_add(struct part *p, const struct node_entry *e)
{
	Podward__V1__Assignment *row = &p->rows[p->msg.n_assignments];

	podward__v1__assignment__init(row);
	row->container_id = text_of(e->id);
	row->pod_uid = text_of(e->pod_uid);
	row->pod_group = text_of(e->group);
	row->pod_name = text_of(e->pod_name);
	row->container_name = text_of(e->name);
	row->image = text_of(e->image);
	row->image_digest = text_of(e->digest);
	p->row_ptrs[p->msg.n_assignments++] = row;
}

static bool may_derive(const struct nodes *n)
{
	if (n->settings.cluster)
		return n->settings.systemd_units;
	if (n->settings.systemd_units || n->settings.source_count == 0)
		return true;
	for (size_t i = 0; i < n->settings.source_count; i++)
		if (!n->up[i])
			return true;
	return false;
}

static void part_add_scope(struct part *p, const struct nodes *n)
{
	podward__v1__scope__init(&p->scope);
	p->scope.derive_unassigned = may_derive(n);
	p->scope.systemd_units = n->settings.systemd_units;
	p->msg.scope = &p->scope;
}

static void part_add_basics(struct part *p, const struct nodes *n)
{
	const struct nodes_settings *s = &n->settings;

	p->msg.full = true;
	part_add_scope(p, n);
	for (size_t i = 0; i < s->analyzer_count; i++) {
		podward__v1__analyzer_address__init(&p->analyzers[i]);
		p->analyzers[i].name = text_of(s->analyzers[i].name);
		p->analyzers[i].address = text_of(s->analyzers[i].address);
		p->analyzer_ptrs[i] = &p->analyzers[i];
	}
	p->msg.analyzers = p->analyzer_ptrs;
	p->msg.n_analyzers = s->analyzer_count;
	p->msg.shard_map = (Podward__V1__ShardMap *)(uintptr_t)n->map;
}

static int send_part(struct collector *c, const struct part *p)
{
	int r = pw_call_send(c->call, &p->msg.base);

	/* One full state is enough to catch up, whatever was missed before. */
	if (r < 0)
		c->behind = true;
	return r;
}

static bool is_for(const struct collector *c, const char *node)
{
	return !node[0] || strcmp(c->name, node) == 0;
}

/* Everything, in parts: the first one replaces what the collector had, the others add to it. */
static void send_full(struct collector *c)
{
	struct nodes *n = c->nodes;
	struct part *p = pw_alloc0(1, sizeof(*p));
	const struct node_row *row, *tmp;
	int r = 0;

	c->behind = p == NULL;
	/* A collector keeps what it knew until all pods are known here. */
	if (!p || c->finished || (n->settings.cluster && !n->up[0])) {
		free(p);
		return;
	}
	part_init(p, n->revision);
	part_add_basics(p, n);
	HASH_ITER (hh, n->table.rows, row, tmp) {
		if (!is_for(c, row->entry.node))
			continue;
		if (p->msg.n_assignments == NODES_PART) {
			r = send_part(c, p);
			if (r < 0)
				break;
			part_init(p, n->revision);
		}
		part_add(p, &row->entry);
	}
	if (r == 0)
		(void)send_part(c, p);
	free(p);
}

/* To the collectors of that node; "" = to all. Before the pods are known nobody was told anything.
 */
static void broadcast(struct nodes *n, const struct part *p, const char *node)
{
	struct collector *c;

	if (n->settings.cluster && !n->up[0])
		return;
	DL_FOREACH (n->collectors, c)
		if (c->name[0] && !c->finished && !c->behind && is_for(c, node))
			(void)send_part(c, p);
}

void nodes_set_map(struct nodes *n, const Podward__V1__ShardMap *map)
{
	struct part *p = pw_alloc0(1, sizeof(*p));
	struct collector *c;

	n->map = map;
	if (p) {
		part_init(p, ++n->revision);
		p->msg.shard_map = (Podward__V1__ShardMap *)(uintptr_t)map;
		broadcast(n, p, "");
	} else {
		/* They get everything again as soon as there is room. */
		DL_FOREACH (n->collectors, c)
			c->behind = true;
	}
	free(p);
}

static void part_flush(struct nodes *n, struct part *p, size_t room)
{
	if (p->msg.n_assignments + room <= NODES_PART && p->msg.n_removed + room <= NODES_PART)
		return;
	broadcast(n, p, "");
	part_init(p, n->revision);
}

static void count_refused(struct nodes *n, const char *reason, uint64_t count)
{
	if (n->metrics && count > 0)
		pw_metric_add(metric(n->metrics, METRIC_ASSIGNMENTS_REFUSED, reason, NULL), count);
}

static void count_assignments(struct nodes *n)
{
	if (n->metrics)
		pw_metric_set(metric(n->metrics, METRIC_ASSIGNMENTS, NULL, NULL),
			HASH_COUNT(n->table.rows));
}

/* True when the container is new or changed. */
static bool take_entry(struct nodes *n, size_t source, const struct node_entry *entry)
{
	struct node_row *row = NULL;
	int r = node_table_put(&n->table, entry, source, &row);

	if (r < 0)
		count_refused(n, r == -ENOSPC ? "full" : "memory", 1);
	return r > 0;
}

/* Freed only after the message that names them went out. */
static void remove_absent(struct nodes *n, size_t source, struct part *p)
{
	struct node_row *row, *tmp;

	HASH_ITER (hh, n->table.rows, row, tmp) {
		if (row->source != source || row->present)
			continue;
		part_flush(n, p, 1);
		p->removed[p->msg.n_removed++] = text_of(row->entry.id);
	}
	if (p->msg.n_removed + p->msg.n_assignments > 0)
		broadcast(n, p, "");
	HASH_ITER (hh, n->table.rows, row, tmp)
		if (row->source == source && !row->present)
			node_table_remove(&n->table, row);
}

static void set_up(struct nodes *n, size_t source, bool up, struct part *p)
{
	bool before = may_derive(n);

	n->up[source] = up;
	if (may_derive(n) == before)
		return;
	part_init(p, ++n->revision);
	part_add_scope(p, n);
	broadcast(n, p, "");
}

static struct node_entry entry_of(const struct runtime_container *c)
{
	return (struct node_entry){.id = c->id,
		.node = "",
		.group = c->group,
		.name = c->name,
		.image = c->image,
		.digest = c->digest,
		.pod_uid = "",
		.pod_name = ""};
}

/* What goes into the part are the list's texts: they outlive the part, a row may not. */
static void apply(struct nodes *n, size_t source, const struct runtime_list *list, struct part *p)
{
	struct node_row *row, *tmp;

	part_init(p, ++n->revision);
	HASH_ITER (hh, n->table.rows, row, tmp)
		row->present = row->source != source;
	for (size_t i = 0; i < list->count; i++) {
		struct node_entry entry = entry_of(&list->items[i]);

		if (!take_entry(n, source, &entry))
			continue;
		part_flush(n, p, 1);
		part_add(p, &entry);
	}
	remove_absent(n, source, p);
	count_assignments(n);
	count_refused(n, "invalid", list->refused);
	count_refused(n, "full", list->full);
}

static bool take_change(struct nodes *n, const struct nodes_change *change)
{
	struct node_row *row;

	if (!change->removed)
		return take_entry(n, 0, &change->entry);
	row = node_table_find(&n->table, change->entry.id);
	if (row)
		node_table_remove(&n->table, row);
	return row != NULL;
}

/* A pod is on one node, so its containers go into one message for it. */
static void apply_changes(struct nodes *n, const struct nodes_changes *changes, struct part *p)
{
	const char *node = changes->count > 0 ? changes->items[0].entry.node : "";

	part_init(p, ++n->revision);
	for (size_t i = 0; i < changes->count; i++) {
		const struct nodes_change *change = &changes->items[i];

		if (!take_change(n, change))
			continue;
		if (p->msg.n_assignments == NODES_PART || p->msg.n_removed == NODES_PART ||
			strcmp(node, change->entry.node) != 0) {
			broadcast(n, p, node);
			part_init(p, n->revision);
			node = change->entry.node;
		}
		if (change->removed)
			p->removed[p->msg.n_removed++] = text_of(change->entry.id);
		else
			part_add(p, &change->entry);
	}
	if (p->msg.n_removed + p->msg.n_assignments > 0)
		broadcast(n, p, node);
	count_assignments(n);
}

static void on_posted(void *ctx)
{
	struct posted *posted = ctx;
	struct part *p = pw_alloc0(1, sizeof(*p));

	if (p && posted->list)
		apply(posted->nodes, posted->source, posted->list, p);
	/* After the assignments: a collector must not wait for one that is on its way. */
	if (p && !posted->changes)
		set_up(posted->nodes, posted->source, posted->list != NULL, p);
	if (p && posted->changes)
		apply_changes(posted->nodes, posted->changes, p);
	else if (posted->changes)
		count_refused(posted->nodes, "memory", posted->changes->count);
	free(p);
	runtime_list_free(posted->list);
	nodes_changes_free(posted->changes);
	free(posted);
}

void nodes_post_take(struct nodes *n, size_t source, struct runtime_list *list)
{
	struct posted *posted = pw_alloc0(1, sizeof(*posted));

	pw_assert(source < NODES_SOURCES);
	if (posted)
		*posted = (struct posted){n, source, list, NULL};
	if (posted && pw_rpc_loop_post(n->loop, on_posted, posted) == 0)
		return;
	/* The next list, a second later, says the same. */
	runtime_list_free(list);
	free(posted);
}

int nodes_post_changes_take(struct nodes *n, struct nodes_changes *changes)
{
	struct posted *posted = pw_alloc0(1, sizeof(*posted));
	int r;

	if (!posted)
		return -EAGAIN;
	*posted = (struct posted){n, 0, NULL, changes};
	r = pw_rpc_loop_post(n->loop, on_posted, posted);
	if (r < 0)
		free(posted);
	return r < 0 ? -EAGAIN : 0;
}

static void on_ready(void *ctx)
{
	struct nodes *n = ctx;
	struct collector *c;

	n->up[0] = true;
	DL_FOREACH (n->collectors, c)
		if (c->name[0])
			send_full(c);
}

int nodes_post_ready(struct nodes *n)
{
	return pw_rpc_loop_post(n->loop, on_ready, n);
}

void nodes_changes_free(struct nodes_changes *c)
{
	if (!c)
		return;
	free(c->items);
	free(c->text);
	free(c);
}

static int on_open(struct pw_call *call, void *method_ctx)
{
	struct nodes *n = method_ctx;
	struct collector *c;

	if (n->call_count >= NODES_CALLS)
		return PW_RPC_RESOURCE_EXHAUSTED;
	c = pw_alloc0(1, sizeof(*c));
	if (!c)
		return PW_RPC_RESOURCE_EXHAUSTED;
	c->nodes = n;
	c->call = pw_call_hold(call);
	pw_call_set_ctx(call, c);
	DL_APPEND(n->collectors, c);
	n->call_count++;
	return 0;
}

static void count_collectors(struct nodes *n)
{
	if (n->metrics)
		pw_metric_set(metric(n->metrics, METRIC_COLLECTORS, NULL, NULL), n->call_count);
}

static void refuse(struct collector *c, int status, const char *detail)
{
	c->finished = true;
	pw_call_finish(c->call, status, detail);
}

/* What was sent counts until the next policysync says otherwise. */
static void on_stop(struct pw_call *call)
{
	refuse(pw_call_ctx(call), PW_RPC_UNAVAILABLE, "policysync stops");
}

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct collector *c = pw_call_ctx(call);
	const Podward__V1__NodeHello *hello = (const Podward__V1__NodeHello *)msg;

	if (hello->schema != 1) {
		refuse(c, PW_RPC_FAILED_PRECONDITION, "schema: this policysync knows schema 1");
		return;
	}
	if (hello->node.len == 0 || hello->node.len > 253) {
		refuse(c, PW_RPC_INVALID_ARGUMENT, "node: expected 1 to 253 bytes");
		return;
	}
	if (!pw_call_may_be(call, pw_slice_of(hello->node.data, hello->node.len))) {
		refuse(c, PW_RPC_PERMISSION_DENIED,
			"node: the certificate names another node or none");
		return;
	}
	(void)pw_escape_to(
		pw_slice_of(hello->node.data, hello->node.len), c->name, sizeof(c->name));
	pw_log_info("nodes", "collector of node %s connected", c->name);
	count_collectors(c->nodes);
	send_full(c);
}

/* The request is complete; updates go on until the collector goes away. */
static void on_half_close(struct pw_call *call)
{
	(void)call;
}

static void on_sent(struct pw_call *call)
{
	struct collector *c = pw_call_ctx(call);

	if (c->behind && c->name[0])
		send_full(c);
}

static void on_closed(struct pw_call *call)
{
	struct collector *c = pw_call_ctx(call);

	if (!c)
		return;
	if (c->name[0])
		pw_log_info("nodes", "collector of node %s went away", c->name);
	DL_DELETE(c->nodes->collectors, c);
	c->nodes->call_count--;
	count_collectors(c->nodes);
	pw_call_put(c->call);
	free(c);
}

int nodes_new(struct pw_rpc_loop *loop, const struct nodes_settings *settings,
	struct pw_metrics *metrics, struct nodes **ret)
{
	struct nodes *n = pw_alloc0(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->loop = loop;
	n->settings = *settings;
	n->table.limit = NODES_ASSIGNMENTS;
	n->metrics = metrics;
	n->revision = 1;
	*ret = n;
	return 0;
}

void nodes_free(struct nodes *n)
{
	if (!n)
		return;
	node_table_done(&n->table);
	free(n);
}

void nodes_method(struct nodes *n, struct pw_method *out)
{
	*out = (struct pw_method){
		.service = &podward__v1__node_service__descriptor,
		.name = "Watch",
		.roles = PW_ROLE_COLLECTOR,
		.on_open = on_open,
		.on_message = on_message,
		.on_half_close = on_half_close,
		.on_sent = on_sent,
		.on_closed = on_closed,
		.on_stop = on_stop,
		.method_ctx = n,
	};
}

static int parse_analyzer(struct pw_slice part, struct nodes_settings *s, struct pw_err *err)
{
	struct nodes_analyzer *a = &s->analyzers[s->analyzer_count];
	ptrdiff_t equals = pw_slice_find_byte(part, '=');
	struct pw_slice address =
		equals < 0 ? part : pw_slice_sub(part, (size_t)equals + 1, part.len);
	char shown[64];

	if (s->analyzer_count == NODES_ANALYZERS)
		return pw_err_set(
			err, -E2BIG, "--analyzers: at most %d are allowed", NODES_ANALYZERS);
	if (equals == 0 || equals >= (ptrdiff_t)sizeof(a->name) || address.len == 0 ||
		address.len >= sizeof(a->address))
		return pw_err_set(err, -EINVAL, "--analyzers: expected name=address, got \"%s\"",
			pw_escape_to(part, shown, sizeof(shown)));
	if (equals > 0)
		memcpy(a->name, part.ptr, (size_t)equals);
	else
		(void)snprintf(a->name, sizeof(a->name), "analyzer-%zu", s->analyzer_count);
	memcpy(a->address, address.ptr, address.len);
	s->analyzer_count++;
	return 0;
}

int nodes_parse_analyzers(const char *text, struct nodes_settings *ret, struct pw_err *err)
{
	struct pw_slice rest = pw_slice_str(text), part;
	int r = 0;

	while (r == 0 && pw_slice_cut(&rest, ',', &part)) {
		part = pw_slice_trim(part);
		if (part.len > 0)
			r = parse_analyzer(part, ret, err);
	}
	return r;
}
