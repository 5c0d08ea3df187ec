/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/credentials.h"

#include <grpc/grpc_security.h>

grpc_channel_credentials *pw_credentials_client(void)
{
	return grpc_insecure_credentials_create();
}

grpc_server_credentials *pw_credentials_server(void)
{
	return grpc_insecure_server_credentials_create();
}
