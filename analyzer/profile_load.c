/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/profile_load.h"

#include "common/base/hash.h"
#include "common/base/log.h"
#include "podward/v1/report.pb-c.h"

#include <errno.h>

struct profile_load {
	struct profile_load_config config;
	struct pw_stream *stream; /* NULL once all is loaded */
	uint64_t deltas;
	bool is_under_way; /* one delta is with a shard */
	bool is_broken;    /* something of this run was not applied: it must start over */
	bool is_ended;     /* the server has sent all */
	bool is_done;
};

static void finish(struct profile_load *l)
{
	l->is_done = true;
	pw_stream_stop(PW_TAKE(l->stream));
	pw_log_info(
		"profile", "stored profiles loaded (%llu messages)", (unsigned long long)l->deltas);
	l->config.on_loaded(l->config.ctx);
}

static void on_up(void *ctx)
{
	struct profile_load *l = ctx;
	Podward__V1__LoadProfilesRequest m = PODWARD__V1__LOAD_PROFILES_REQUEST__INIT;

	l->is_broken = l->is_ended = false;
	l->deltas = 0;
	if (l->config.slots)
		m.slots =
			(ProtobufCBinaryData){PW_SLOT_BYTES, (uint8_t *)(uintptr_t)l->config.slots};
	if (pw_stream_send(l->stream, &m.base) < 0) {
		pw_stream_restart(l->stream, 1000);
		return;
	}
	pw_stream_half_close(l->stream);
}

static int give(struct profile_load *l, const Podward__V1__ProfileDelta *d)
{
	struct shard_load *load = NULL;
	struct pw_slice key;
	struct shard *shard;

	if (!d->state || d->state->pod_group.len == 0)
		return -EINVAL;
	key = pw_slice_of(d->state->pod_group.data, d->state->pod_group.len);
	shard = l->config.shards[pw_hash64(key, 0) % l->config.shard_count];
	if (shard_load_new(d, &load) < 0)
		return -ENOMEM;
	if (!shard_give(shard, &load->job)) {
		shard_load_free(load);
		return -ENOMEM;
	}
	l->is_under_way = true;
	return 0;
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct profile_load *l = ctx;
	int r = give(l, (const Podward__V1__ProfileDelta *)msg);

	l->deltas++;
	if (r == 0)
		return;
	if (r == -ENOMEM)
		l->is_broken = true;
	else
		pw_log_limited(PW_LOG_WARN, 6, "profile", "stored profile without a pod group");
	pw_stream_next(l->stream);
}

void profile_load_note(struct profile_load *l, struct shard_note *note)
{
	int error = note->error;

	shard_load_free(note->of);
	if (!l)
		return;
	l->is_under_way = false;
	l->is_broken |= error < 0;
	if (!l->stream)
		return;
	if (l->is_ended && !l->is_broken)
		finish(l);
	else if (!l->is_ended)
		pw_stream_next(l->stream);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct profile_load *l = ctx;

	if (status == PW_RPC_OK && !l->is_broken) {
		/* The last delta may still be with its shard; should it fail, the next run loads
		 * again. */
		l->is_ended = true;
		if (!l->is_under_way)
			finish(l);
		return;
	}
	pw_log_limited(PW_LOG_WARN, 6, "profile",
		"loading stored profiles failed (%s: %s), again in %u ms; nothing is judged before",
		pw_rpc_status_name(status), detail, delay_ms);
}

int profile_load_start(
	const struct profile_load_config *config, struct profile_load **ret, struct pw_err *err)
{
	static const struct pw_stream_ops ops = {on_up, on_message, NULL, on_down};
	struct profile_load *l = pw_alloc0(1, sizeof(*l));
	int r;

	if (!l)
		return pw_err_set(err, -ENOMEM, "profile load: out of memory");
	l->config = *config;
	r = pw_stream_start(config->channel,
		&(struct pw_stream_config){.service = &podward__v1__report_service__descriptor,
			.method = "LoadProfiles",
			.ops = &ops,
			.ctx = l},
		&l->stream, err);
	if (r < 0) {
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

bool profile_load_is_done(const struct profile_load *l)
{
	return l->is_done;
}

void profile_load_stop(struct profile_load *l)
{
	if (!l)
		return;
	pw_stream_stop(l->stream);
	free(l);
}
