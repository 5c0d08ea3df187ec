/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/credentials.h"

#include <stdio.h>
#include <string.h>
#include <grpc/support/string_util.h>

#include "common/base/log.h"

grpc_channel_credentials *pw_credentials_plain_client(void)
{
	return grpc_insecure_credentials_create();
}

grpc_server_credentials *pw_credentials_plain_server(void)
{
	return grpc_insecure_server_credentials_create();
}

/* Before every handshake, under a lock of gRPC's. FAIL would keep what gRPC has, as UNCHANGED does.
 */
static grpc_ssl_certificate_config_reload_status port_fetch(
	void *ctx, grpc_ssl_server_certificate_config **ret)
{
	struct pw_tls_port *port = ctx;
	struct pw_tls_bundle *b = pw_tls_get(port->tls);
	grpc_ssl_pem_key_cert_pair pair = {b->key, b->cert};
	grpc_ssl_certificate_config_reload_status status =
		GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;

	if (b->version != port->version) {
		*ret = grpc_ssl_server_certificate_config_create(b->ca, &pair, 1);
		port->version = b->version;
		status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
	}
	pw_tls_put(b);
	return status;
}

grpc_server_credentials *pw_credentials_tls_server(struct pw_tls_port *port)
{
	return grpc_ssl_server_credentials_create_with_options(
		grpc_ssl_server_credentials_create_options_using_config_fetcher(
			GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, port_fetch,
			port));
}

/* gRPC has checked the chain; we ask who it is. Owned by gRPC from create to destruct. */
struct verifier {
	grpc_tls_certificate_verifier_external external;
	struct pw_identity wanted;
	char domain[254];
};

static void verifier_read(const struct verifier *v,
	const grpc_tls_custom_verification_check_request *request, struct pw_identity *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < request->peer_info.san_names.uri_names_size; i++)
		r = pw_identity_take_uri(
			ret, v->domain, pw_slice_str(request->peer_info.san_names.uri_names[i]));
	for (size_t i = 0; r == 0 && i < request->peer_info.san_names.dns_names_size; i++)
		r = pw_identity_take_dns(
			ret, v->domain, pw_slice_str(request->peer_info.san_names.dns_names[i]));
	if (r < 0)
		*ret = (struct pw_identity){0};
}

static int verifier_verify(void *ctx, grpc_tls_custom_verification_check_request *request,
	grpc_tls_on_custom_verification_check_done_cb callback, void *callback_arg,
	grpc_status_code *status, char **detail)
{
	const struct verifier *v = ctx;
	struct pw_identity peer = {0};
	char wanted[300], found[300], text[700];

	(void)callback;
	(void)callback_arg;
	verifier_read(v, request, &peer);
	*status = GRPC_STATUS_OK;
	if (pw_identity_is(&peer, v->wanted.role, v->wanted.name))
		return 1;
	(void)snprintf(text, sizeof(text), "the server is %s of %s, not %s",
		pw_identity_text(&peer, found, sizeof(found)), v->domain,
		pw_identity_text(&v->wanted, wanted, sizeof(wanted)));
	pw_log_limited(PW_LOG_WARN, 6, "tls", "connection refused: %s", text);
	*status = GRPC_STATUS_UNAUTHENTICATED;
	*detail = gpr_strdup(text);
	return 1; /* decided at once */
}

static void verifier_cancel(void *ctx, grpc_tls_custom_verification_check_request *request)
{
	(void)ctx;
	(void)request;
}

static void verifier_destruct(void *ctx)
{
	free(ctx);
}

static grpc_tls_certificate_verifier *verifier_new(
	const char *domain, enum pw_role role, const char *name)
{
	struct verifier *v = pw_alloc0(1, sizeof(*v));

	if (!v)
		return NULL;
	v->external = (grpc_tls_certificate_verifier_external){
		v, verifier_verify, verifier_cancel, verifier_destruct};
	v->wanted.role = role;
	(void)snprintf(v->wanted.name, sizeof(v->wanted.name), "%s", name ? name : "");
	(void)snprintf(v->domain, sizeof(v->domain), "%s", domain);
	return grpc_tls_certificate_verifier_external_create(&v->external);
}

grpc_channel_credentials *pw_credentials_tls_client(
	const struct pw_tls *t, const struct pw_tls_bundle *b, enum pw_role role, const char *name)
{
	grpc_tls_certificate_verifier *verifier = verifier_new(pw_tls_domain(t), role, name);
	grpc_tls_credentials_options *options;
	grpc_tls_certificate_provider *provider;
	grpc_tls_identity_pairs *pairs;

	if (!verifier)
		return NULL;
	pairs = grpc_tls_identity_pairs_create();
	grpc_tls_identity_pairs_add_pair(pairs, b->key, b->cert);
	provider = grpc_tls_certificate_provider_static_data_create(b->ca, pairs);
	options = grpc_tls_credentials_options_create();
	grpc_tls_credentials_options_set_certificate_provider(options, provider);
	grpc_tls_credentials_options_watch_root_certs(options);
	grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
	grpc_tls_credentials_options_set_verify_server_cert(options, 1);
	/* Not the name in the address: addresses move, roles do not. */
	grpc_tls_credentials_options_set_check_call_host(options, 0);
	grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
	grpc_tls_certificate_verifier_release(verifier);
	grpc_tls_certificate_provider_release(provider);
	return grpc_tls_credentials_create(options);
}

static int take_property(grpc_auth_context *auth, const char *key, const char *domain,
	int (*take)(struct pw_identity *id, const char *domain, struct pw_slice name),
	struct pw_identity *ret)
{
	grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(auth, key);
	const grpc_auth_property *p;
	int r = 0;

	while (r == 0 && (p = grpc_auth_property_iterator_next(&it)))
		r = take(ret, domain, pw_slice_of(p->value, p->value_length));
	return r;
}

void pw_credentials_identity(grpc_call *call, const char *domain, struct pw_identity *ret)
{
	grpc_auth_context *auth = grpc_call_auth_context(call);
	int r = 0;

	*ret = (struct pw_identity){0};
	if (!auth)
		return;
	if (grpc_auth_context_peer_is_authenticated(auth)) {
		r = take_property(
			auth, GRPC_PEER_URI_PROPERTY_NAME, domain, pw_identity_take_uri, ret);
		if (r == 0)
			r = take_property(auth, GRPC_PEER_DNS_PROPERTY_NAME, domain,
				pw_identity_take_dns, ret);
	}
	if (r < 0)
		*ret = (struct pw_identity){0};
	grpc_auth_context_release(auth);
}
