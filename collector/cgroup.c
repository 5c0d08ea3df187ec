/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/cgroup.h"

#include <ctype.h>

#define UUID_LEN       36
#define STATIC_UID_LEN 32 /* static pods: hash of the manifest */

/* Source: the runtimes' own directories as seen on running nodes; see tests/test_cgroup.c. */
static const struct {
	const char *prefix;
	enum cgroup_kind kind;
	enum cgroup_runtime runtime;
} prefixes[] = {
	{"libpod-conmon-", CGROUP_HELPER, CGROUP_RUNTIME_PODMAN},
	{"crio-conmon-", CGROUP_HELPER, CGROUP_RUNTIME_CRIO},
	{"libpod-payload-", CGROUP_CONTAINER, CGROUP_RUNTIME_PODMAN},
	{"libpod-", CGROUP_CONTAINER, CGROUP_RUNTIME_PODMAN},
	{"cri-containerd-", CGROUP_CONTAINER, CGROUP_RUNTIME_CONTAINERD},
	{"containerd-", CGROUP_CONTAINER, CGROUP_RUNTIME_CONTAINERD},
	{"nerdctl-", CGROUP_CONTAINER, CGROUP_RUNTIME_CONTAINERD},
	{"crio-", CGROUP_CONTAINER, CGROUP_RUNTIME_CRIO},
	{"cri-o-", CGROUP_CONTAINER, CGROUP_RUNTIME_CRIO},
	{"docker-", CGROUP_CONTAINER, CGROUP_RUNTIME_DOCKER},
};

/* Middle part of "kubepods-pod<uid>.slice:cri-containerd:<id>": driver of kubelet and runtime
 * differ. */
static const struct {
	const char *name;
	enum cgroup_runtime runtime;
} colon_names[] = {
	{"cri-containerd", CGROUP_RUNTIME_CONTAINERD},
	{"crio", CGROUP_RUNTIME_CRIO},
	{"docker", CGROUP_RUNTIME_DOCKER},
	{"libpod", CGROUP_RUNTIME_PODMAN},
};

const char *cgroup_runtime_name(enum cgroup_runtime runtime)
{
	static const char *const names[CGROUP_RUNTIMES] = {
		[CGROUP_RUNTIME_UNKNOWN] = "unknown",
		[CGROUP_RUNTIME_CONTAINERD] = "containerd",
		[CGROUP_RUNTIME_CRIO] = "cri-o",
		[CGROUP_RUNTIME_DOCKER] = "docker",
		[CGROUP_RUNTIME_PODMAN] = "podman",
		[CGROUP_RUNTIME_SYSTEMD] = "systemd",
	};

	return (unsigned)runtime < CGROUP_RUNTIMES ? names[runtime] : "unknown";
}

static bool is_lower_hex(struct pw_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isdigit(s.ptr[i]) && !(s.ptr[i] >= 'a' && s.ptr[i] <= 'f'))
			return false;
	return true;
}

static bool is_container_id(struct pw_slice s)
{
	return s.len == CGROUP_ID_LEN && is_lower_hex(s);
}

static bool drop_suffix(struct pw_slice *s, const char *suffix)
{
	struct pw_slice end = pw_slice_str(suffix);

	if (!pw_slice_ends(*s, end))
		return false;
	s->len -= end.len;
	return true;
}

/* Both forms of a uid: with dashes, or with underscores where systemd forbids dashes. */
static bool take_pod_uid(struct pw_slice s, char ret[CGROUP_POD_UID_SIZE])
{
	if (s.len == STATIC_UID_LEN && is_lower_hex(s)) {
		memcpy(ret, s.ptr, s.len);
		ret[s.len] = 0;
		return true;
	}
	if (s.len != UUID_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s.ptr[i] != '-' && s.ptr[i] != '_'
			 : !is_lower_hex(pw_slice_sub(s, i, i + 1)))
			return false;
	}
	for (size_t i = 0; i < s.len; i++)
		ret[i] = (char)(s.ptr[i] == '_' ? '-' : s.ptr[i]);
	ret[s.len] = 0;
	return true;
}

/* "pod<uid>" or "kubepods-burstable-pod<uid>.slice", with whatever stands before kubepods. */
static bool read_pod(struct pw_slice part, char ret[CGROUP_POD_UID_SIZE])
{
	ptrdiff_t at = 0;

	if (pw_slice_starts(part, PW_SLICE_LIT("pod")))
		return take_pod_uid(pw_slice_sub(part, 3, part.len), ret);
	if (!drop_suffix(&part, ".slice"))
		return false;
	at = pw_slice_find(part, PW_SLICE_LIT("kubepods"));
	if (at < 0)
		return false;
	part = pw_slice_sub(part, (size_t)at, part.len);
	at = pw_slice_find(part, PW_SLICE_LIT("-pod"));
	return at >= 0 && take_pod_uid(pw_slice_sub(part, (size_t)at + 4, part.len), ret);
}

/* "kubepods-burstable-pod<uid>.slice:cri-containerd:<id>" */
static bool read_colons(struct pw_slice part, struct cgroup_identity *ret)
{
	struct pw_slice slice = {0};
	struct pw_slice name = {0};

	if (pw_slice_find_byte(part, ':') < 0 || !pw_slice_cut(&part, ':', &slice) ||
		!pw_slice_cut(&part, ':', &name) || !is_container_id(part))
		return false;
	for (size_t i = 0; i < sizeof(colon_names) / sizeof(colon_names[0]); i++) {
		if (!pw_slice_eq_str(name, colon_names[i].name))
			continue;
		ret->kind = CGROUP_CONTAINER;
		ret->runtime = colon_names[i].runtime;
		ret->id = part;
		(void)read_pod(slice, ret->pod_uid);
		return true;
	}
	return false;
}

static bool read_prefixed(struct pw_slice part, struct cgroup_identity *ret)
{
	(void)drop_suffix(&part, ".scope");
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct pw_slice prefix = pw_slice_str(prefixes[i].prefix);

		if (!pw_slice_starts(part, prefix))
			continue;
		part = pw_slice_sub(part, prefix.len, part.len);
		if (!is_container_id(part))
			return false;
		ret->kind = prefixes[i].kind;
		ret->runtime = prefixes[i].runtime;
		ret->id = part;
		return true;
	}
	return false;
}

/* A bare id: what stands above says whose it is. */
static bool read_bare(struct pw_slice part, struct pw_slice above, struct cgroup_identity *ret)
{
	if (!is_container_id(part) || pw_slice_eq_str(above, "libpod_parent"))
		return false;
	ret->kind = CGROUP_CONTAINER;
	ret->id = part;
	if (ret->pod_uid[0])
		ret->runtime = CGROUP_RUNTIME_CONTAINERD;
	else if (pw_slice_eq_str(above, "docker"))
		ret->runtime = CGROUP_RUNTIME_DOCKER;
	else if (pw_slice_eq_str(above, "default") || pw_slice_eq_str(above, "k8s.io") ||
		 pw_slice_eq_str(above, "nerdctl"))
		ret->runtime = CGROUP_RUNTIME_CONTAINERD;
	return true;
}

static bool read_part(struct pw_slice part, struct pw_slice above, struct cgroup_identity *ret)
{
	if (read_pod(part, ret->pod_uid))
		return false;
	if (pw_slice_eq_str(above, "libpod_parent") && pw_slice_eq_str(part, "conmon")) {
		ret->kind = CGROUP_HELPER;
		ret->runtime = CGROUP_RUNTIME_PODMAN;
		return true;
	}
	return read_colons(part, ret) || read_prefixed(part, ret) || read_bare(part, above, ret);
}

void cgroup_identify(struct pw_slice path, struct cgroup_identity *ret)
{
	struct cgroup_identity found = {.kind = CGROUP_PLAIN};
	struct pw_slice unit = {0};
	struct pw_slice above = {0};
	struct pw_slice part = {0};
	bool below_unit = false;

	while (pw_slice_cut(&path, '/', &part)) {
		if (part.len == 0)
			continue;
		if (read_part(part, above, &found)) {
			found.below = path.len > 0;
			*ret = found;
			return;
		}
		below_unit = unit.len > 0;
		if (unit.len == 0 && part.len > 8 && pw_slice_ends(part, PW_SLICE_LIT(".service")))
			unit = part;
		above = part;
	}
	if (unit.len > 0) {
		found.kind = CGROUP_UNIT;
		found.runtime = CGROUP_RUNTIME_SYSTEMD;
		found.id = unit;
		found.below = below_unit;
	}
	*ret = found;
}

struct pw_slice cgroup_v2_line(struct pw_slice text)
{
	struct pw_slice line = {0};

	while (pw_slice_cut(&text, '\n', &line))
		if (pw_slice_starts(line, PW_SLICE_LIT("0::/")))
			return pw_slice_sub(line, 3, line.len);
	return (struct pw_slice){0};
}

/* Fields: id parent major:minor root mountpoint options [optional …] - type source superoptions */
static struct pw_slice mount_of_line(struct pw_slice line)
{
	struct pw_slice field = {0};
	struct pw_slice mount_point = {0};
	bool type_is_next = false;

	for (unsigned i = 0; pw_slice_cut(&line, ' ', &field); i++) {
		if (i == 4)
			mount_point = field;
		if (type_is_next)
			return pw_slice_eq_str(field, "cgroup2") ? mount_point
								 : (struct pw_slice){0};
		type_is_next = i > 5 && pw_slice_eq_str(field, "-");
	}
	return (struct pw_slice){0};
}

struct pw_slice cgroup_v2_mount(struct pw_slice mountinfo)
{
	struct pw_slice line = {0};
	struct pw_slice found = {0};

	while (pw_slice_cut(&mountinfo, '\n', &line)) {
		struct pw_slice mount_point = mount_of_line(line);

		if (mount_point.len > 0)
			found = mount_point;
	}
	return found;
}
