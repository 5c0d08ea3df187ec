/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one place that says how connections are protected: plain text today, mTLS will come here.
 * For the files of this folder only. Thread: any. The caller releases what it gets.
 */
#include <grpc/grpc.h>

grpc_channel_credentials *pw_credentials_client(void);
grpc_server_credentials *pw_credentials_server(void);
