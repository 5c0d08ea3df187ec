/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kube/access.h"

#include "common/base/base64.h"
#include "common/base/escape.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/web/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONFIG_MAX      ((size_t)1 << 20)
#define TOKEN_MAX       ((size_t)16 << 10)
#define TOKEN_PERIOD_NS (60 * PW_NS_PER_S)

static int read_file(const char *path, size_t limit, struct pw_buf *out, struct pw_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n = 0;
	int r;

	if (fd < 0)
		return pw_err_set(err, -errno, "%s: %s", path, pw_err_text(errno));
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (pw_buf_add(out, chunk, (size_t)n) < 0)
			break;
	r = n < 0 ? -errno : pw_buf_error(out);
	(void)close(fd);
	if (r == -E2BIG)
		return pw_err_set(err, r, "%s: larger than %zu bytes", path, limit);
	return r < 0 ? pw_err_set(err, r, "%s: %s", path, pw_err_text(r)) : 0;
}

/* A token goes into a header: nothing but visible ASCII. */
static bool is_token(struct pw_slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f)
			return false;
	return text.len > 0;
}

static int set_token(
	struct pw_access *a, struct pw_slice text, const char *from, struct pw_err *err)
{
	text = pw_slice_trim(text);
	if (!is_token(text) || text.len > TOKEN_MAX)
		return pw_err_set(err, -EINVAL, "%s: not a token", from);
	(void)snprintf(a->authorization, sizeof(a->authorization), "Authorization: Bearer %.*s",
		PW_SLICE_ARG(text));
	return 0;
}

static int read_token(struct pw_access *a, struct pw_err *err)
{
	pw_auto_buf text;
	int r;

	pw_buf_init(&text, TOKEN_MAX);
	a->token_read = pw_mono_now();
	r = read_file(a->token_file, TOKEN_MAX, &text, err);
	return r < 0 ? r : set_token(a, pw_buf_slice(&text), a->token_file, err);
}

bool pw_access_reload(struct pw_access *a)
{
	struct pw_err err = PW_ERR_INIT;
	uint64_t before = pw_hash64(pw_slice_str(a->authorization), 0);

	if (!a->token_file[0])
		return false;
	if (read_token(a, &err) == 0)
		return pw_hash64(pw_slice_str(a->authorization), 0) != before;
	pw_log_limited(PW_LOG_WARN, 2, "kube", "%s; the token read before stays", err.msg);
	return false;
}

void pw_access_refresh(struct pw_access *a)
{
	if (a->token_file[0] && pw_mono_now().ns - a->token_read.ns >= TOKEN_PERIOD_NS)
		(void)pw_access_reload(a);
}

/* --- inside a cluster
 * ----------------------------------------------------------------------------- */

static int copy_path(char out[512], const char *folder, const char *name, struct pw_err *err)
{
	int n = snprintf(out, 512, "%s/%s", folder, name);

	return n < 512 ? 0 : pw_err_set(err, -ENAMETOOLONG, "%s: the path is too long", folder);
}

static void read_namespace(struct pw_access *a, const char *folder)
{
	pw_auto_buf text;
	char path[512];
	struct pw_slice name;

	pw_buf_init(&text, sizeof(a->namespace));
	if (copy_path(path, folder, "namespace", NULL) < 0 ||
		read_file(path, sizeof(a->namespace), &text, NULL) < 0)
		return;
	name = pw_slice_trim(pw_buf_slice(&text));
	if (name.len > 0 && name.len < sizeof(a->namespace))
		(void)snprintf(a->namespace, sizeof(a->namespace), "%.*s", PW_SLICE_ARG(name));
}

static int open_in_cluster(struct pw_access *a, const char *folder, struct pw_err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	int r;

	if (!host || !port)
		return pw_err_set(err, -ENOENT,
			"KUBERNETES_SERVICE_HOST and _PORT are not set: not in a pod; outside of a "
			"cluster name a kubeconfig");
	if (strlen(host) > 253 || strlen(port) > 5)
		return pw_err_set(err, -EINVAL, "KUBERNETES_SERVICE_HOST or _PORT is too long");
	if (strchr(host, ':'))
		(void)snprintf(a->server, sizeof(a->server), "https://[%s]:%s", host, port);
	else
		(void)snprintf(a->server, sizeof(a->server), "https://%s:%s", host, port);
	r = copy_path(a->ca_file, folder, "ca.crt", err);
	if (r == 0)
		r = copy_path(a->token_file, folder, "token", err);
	read_namespace(a, folder);
	return r < 0 ? r : read_token(a, err);
}

/* --- kubeconfig
 * ----------------------------------------------------------------------------------- */

/* The item of root.list that is called name; its member of that key. NULL = not there. */
static const struct pw_json *named(
	const struct pw_json *root, const char *list, struct pw_slice name, const char *key)
{
	const struct pw_json *items = pw_json_get(root, list);

	for (size_t i = 0; i < pw_json_size(items); i++) {
		const struct pw_json *item = pw_json_at(items, i);

		if (pw_slice_eq(pw_json_text(pw_json_get(item, "name")), name))
			return pw_json_get(item, key);
	}
	return NULL;
}

/* libcurl wants a file: data becomes one in memory, which nobody else can open by a name. */
static int data_file(struct pw_access *a, size_t number, struct pw_slice base64, char out[512])
{
	pw_auto_buf bytes;
	int fd, r;

	pw_buf_init(&bytes, CONFIG_MAX);
	r = pw_base64_decode(base64, &bytes);
	if (r < 0)
		return r;
	fd = memfd_create("podward-kube", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	a->fds[number] = fd;
	if (write(fd, bytes.data, bytes.len) != (ssize_t)bytes.len)
		return -EIO;
	(void)snprintf(out, 512, "/proc/self/fd/%d", fd);
	return 0;
}

/* Relative names are relative to the folder of the kubeconfig. */
static int file_name(const char *config, struct pw_slice name, char out[512])
{
	const char *slash = strrchr(config, '/');
	int folder = slash ? (int)(slash - config) + 1 : 0;
	int n;

	if (memchr(name.ptr, 0, name.len))
		return -EINVAL;
	n = snprintf(
		out, 512, "%.*s%.*s", name.ptr[0] == '/' ? 0 : folder, config, PW_SLICE_ARG(name));
	return n < 512 ? 0 : -ENAMETOOLONG;
}

struct file_field {
	const struct pw_json *node;
	const char *config, *key;
	size_t number;
	char *out; /* 512 bytes */
};

/* "certificate-authority" (a file) or "certificate-authority-data". */
static int read_file_field(struct pw_access *a, const struct file_field *f, struct pw_err *err)
{
	struct pw_slice name = pw_json_text(pw_json_get(f->node, f->key));
	struct pw_slice data;
	char key[64];
	int r = 0;

	(void)snprintf(key, sizeof(key), "%s-data", f->key);
	data = pw_json_text(pw_json_get(f->node, key));
	if (data.len > 0)
		r = data_file(a, f->number, data, f->out);
	else if (name.len > 0)
		r = file_name(f->config, name, f->out);
	return r < 0 ? pw_err_set(err, r, "%s: %s", data.len > 0 ? key : f->key, pw_err_text(r))
		     : 0;
}

static int read_user(
	struct pw_access *a, const struct pw_json *user, const char *config, struct pw_err *err)
{
	const struct file_field fields[] = {
		{user, config, "client-certificate", 1, a->cert_file},
		{user, config, "client-key", 2, a->key_file},
	};
	static const char *const refused[] = {"exec", "auth-provider", "username", NULL};
	struct pw_slice token = pw_json_text(pw_json_get(user, "token"));
	struct pw_slice file = pw_json_text(pw_json_get(user, "tokenFile"));
	int r = 0;

	for (size_t i = 0; refused[i]; i++)
		if (pw_json_get(user, refused[i]))
			return pw_err_set(err, -ENOTSUP,
				"user.%s: not supported; use a token or a client certificate",
				refused[i]);
	for (size_t i = 0; r == 0 && i < PW_COUNT(fields); i++)
		r = read_file_field(a, &fields[i], err);
	if (r < 0)
		return r;
	if (file.len == 0)
		return token.len > 0 ? set_token(a, token, "user.token", err) : 0;
	r = file_name(config, file, a->token_file);
	return r < 0 ? pw_err_set(err, r, "user.tokenFile: %s", pw_err_text(r))
		     : read_token(a, err);
}

static int read_cluster(
	struct pw_access *a, const struct pw_json *cluster, const char *config, struct pw_err *err)
{
	const struct file_field ca = {cluster, config, "certificate-authority", 0, a->ca_file};
	struct pw_slice server = pw_json_text(pw_json_get(cluster, "server"));

	while (server.len > 0 && server.ptr[server.len - 1] == '/')
		server.len--;
	if (!pw_slice_starts(server, PW_SLICE_LIT("https://")) &&
		!pw_slice_starts(server, PW_SLICE_LIT("http://127.0.0.1:")))
		return pw_err_set(err, -EINVAL, "cluster.server: expected https://…");
	if (server.len >= sizeof(a->server) || memchr(server.ptr, 0, server.len))
		return pw_err_set(err, -EINVAL, "cluster.server: too long");
	if (pw_json_bool(pw_json_get(cluster, "insecure-skip-tls-verify")))
		return pw_err_set(err, -ENOTSUP,
			"cluster.insecure-skip-tls-verify: not supported; name the authority");
	(void)snprintf(a->server, sizeof(a->server), "%.*s", PW_SLICE_ARG(server));
	return read_file_field(a, &ca, err);
}

static int read_config(
	struct pw_access *a, const struct pw_json *root, const char *path, struct pw_err *err)
{
	const struct pw_json *context = named(
		root, "contexts", pw_json_text(pw_json_get(root, "current-context")), "context");
	const struct pw_json *cluster, *user;
	struct pw_slice namespace = pw_json_text(pw_json_get(context, "namespace"));
	int r;

	if (!context)
		return pw_err_set(err, -ENOENT, "current-context: names no context");
	cluster = named(root, "clusters", pw_json_text(pw_json_get(context, "cluster")), "cluster");
	user = named(root, "users", pw_json_text(pw_json_get(context, "user")), "user");
	if (!cluster)
		return pw_err_set(err, -ENOENT, "context.cluster: names no cluster");
	if (namespace.len > 0 && namespace.len < sizeof(a->namespace))
		(void)snprintf(a->namespace, sizeof(a->namespace), "%.*s", PW_SLICE_ARG(namespace));
	r = read_cluster(a, cluster, path, err);
	return r < 0 || !user ? r : read_user(a, user, path, err);
}

static int open_kubeconfig(struct pw_access *a, const char *path, struct pw_err *err)
{
	pw_auto_buf text;
	struct pw_json **docs = NULL;
	size_t count = 0;
	int r;

	pw_buf_init(&text, CONFIG_MAX);
	r = read_file(path, CONFIG_MAX, &text, err);
	if (r == 0)
		r = pw_yaml_parse(pw_buf_slice(&text), &docs, &count, err);
	if (r == 0 && count != 1)
		r = pw_err_set(err, -EINVAL, "expected one document");
	if (r == 0)
		r = read_config(a, docs[0], path, err);
	pw_yaml_docs_free(docs, count);
	return r;
}

int pw_access_open(
	struct pw_access *a, const char *kubeconfig, const char *folder, struct pw_err *err)
{
	int r;

	*a = (struct pw_access){.namespace = "default", .fds = {-1, -1, -1}};
	r = kubeconfig ? open_kubeconfig(a, kubeconfig, err)
		       : open_in_cluster(a, folder ? folder : PW_ACCESS_FOLDER, err);
	if (r == 0)
		return 0;
	pw_access_close(a);
	return pw_err_wrap(err, r, "%s", kubeconfig ? kubeconfig : "service account");
}

void pw_access_close(struct pw_access *a)
{
	for (size_t i = 0; i < PW_COUNT(a->fds); i++)
		if (a->fds[i] >= 0)
			(void)close(a->fds[i]);
	*a = (struct pw_access){.fds = {-1, -1, -1}};
}
