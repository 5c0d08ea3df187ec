/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A small fixed world for the tests of the analyzer: two containers, a few processes, batches of
 * events that take the real way over the wire, and policy snapshots put together by hand.
 * Thread: the owner's.
 */
#include "analyzer/policy.h"
#include "analyzer/shard.h"
#include "common/base/arena.h"
#include "common/wire/decode.h"
#include "common/wire/encode.h"

#define KIT_WALL_NS 1699999800000000000ll /* a multiple of ten minutes */
#define KIT_BOOT_NS 1000000000000ull

/* Processes of the world. */
enum kit_process {
	KIT_APP = 1,  /* /usr/bin/app, init of container 1 */
	KIT_SHELL,    /* /bin/sh, child of app */
	KIT_MINER,    /* /tmp/xmrig from the writable layer, child of the shell */
	KIT_INTRUDER, /* /bin/sh, not from the container's init */
	KIT_DB,       /* /usr/bin/db, init of container 2 */
	KIT_HOST,     /* /usr/sbin/sshd, in no container */
	KIT_PROCESSES
};

#define KIT_GROUP_WEB "shop/Deployment/web/app"
#define KIT_GROUP_DB  "shop/StatefulSet/db/db"
#define KIT_TCP(port) PW_CONNECT_AUX(port, 6, 2)
#define KIT_READ      PODWARD__V1__FILE_ACCESS__FILE_ACCESS_READ
#define KIT_WRITE     PODWARD__V1__FILE_ACCESS__FILE_ACCESS_WRITE
#define KIT_CREATE    PODWARD__V1__FILE_ACCESS__FILE_ACCESS_CREATE

struct kit_row {
	uint8_t kind;
	enum kit_process process;
	const char *object;
	uint32_t aux;
	int32_t ret;
	uint32_t at_ms; /* after KIT_WALL_NS */
};

/* Id of a text in the dictionary; two texts may share one, then the first counts. Below
 * KIT_TEXT_IDS. */
#define KIT_TEXT_IDS 61000u
uint32_t kit_text_id(const char *text);
int kit_batch(const struct kit_row *rows, size_t count, uint64_t seq,
	struct pw_batch **ret) PW_MUST_CHECK;
/* Over the wire with a stream of its own. */
int kit_decode(const struct kit_row *rows, size_t count, uint64_t seq,
	struct pw_decoded **ret) PW_MUST_CHECK;

/* A policy snapshot under construction; everything lives in the arena. Asserts on -ENOMEM. */
struct kit_snapshot {
	struct pw_arena *arena;
	Podward__V1__PolicySnapshot m;
};

void kit_snapshot_init(struct kit_snapshot *s, uint64_t serial);
void kit_snapshot_done(struct kit_snapshot *s);
/* Tier of cluster policies by name of the tier; ns "" = cluster. */
Podward__V1__Policy *kit_policy(
	struct kit_snapshot *s, const char *ns, const char *name, Podward__V1__PolicyTier tier);
/* profile with this learning time; 0 = switched off */
void kit_profile(struct kit_snapshot *s, Podward__V1__Policy *p, uint64_t learning_ns);
/* kind: PW_EVENT_EXEC, OPEN (read and write) or CONNECT (glob is a CIDR). */
Podward__V1__Rule *kit_rule(struct kit_snapshot *s, Podward__V1__Policy *p, const char *name,
	Podward__V1__RuleAction action, uint8_t kind, const char *glob);
Podward__V1__Signature *kit_signature(
	struct kit_snapshot *s, const char *id, const char *condition, bool suppress_if_learned);
Podward__V1__Exclusion *kit_exclusion(
	struct kit_snapshot *s, const char *detector, const char *object);
struct pw_slice kit_pack(struct kit_snapshot *s);
struct policy *kit_compile(struct kit_snapshot *s);
ProtobufCBinaryData kit_bytes(const char *text);
