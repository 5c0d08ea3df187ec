// SPDX-License-Identifier: Apache-2.0
// The same stream by gRPC's C++ API with the same messages, for `./dev bench stream` only: what the usual
// way costs. The synchronous API, messages used again, an id -> string table at the receiver.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <mutex>
#include <condition_variable>
#include <sstream>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "podward/v1/collect.grpc.pb.h"

namespace {

using podward::v1::CollectReply;
using podward::v1::CollectRequest;
using podward::v1::CollectService;
using podward::v1::EventBatch;

uint64_t cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return uint64_t(t.tv_sec) * 1000000000u + uint64_t(t.tv_nsec);
}

void say_result(uint64_t cpu, uint64_t events, uint64_t bytes) {
  std::printf("result %llu %llu %llu\n", (unsigned long long)cpu, (unsigned long long)events, (unsigned long long)bytes);
  std::fflush(stdout);
}

struct Wish {
  std::string port;
  uint32_t batch, messages, connections;
  std::string ca, cert, key;
};

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Process {
  uint32_t pid = 0;
};

// What a judge would get: an event with its process and its object resolved.
struct Event {
  uint64_t ns;
  const Process* process;
  const std::string* object;
  uint32_t aux, count;
  int32_t ret;
  uint16_t syscall;
  uint8_t kind;
};

class Server final : public CollectService::Service {
 public:
  grpc::Status Stream(grpc::ServerContext*, grpc::ServerReaderWriter<CollectReply, CollectRequest>* stream) override {
    std::unordered_map<uint32_t, std::string> strings;
    std::unordered_map<uint32_t, Process> processes;
    CollectRequest request;
    CollectReply reply;
    uint32_t messages = 0;
    while (stream->Read(&request)) {
      if (!request.has_batch()) {
        reply.mutable_ack();
        stream->Write(reply);
        continue;
      }
      const EventBatch& b = request.batch();
      if (start == 0) start = cpu_ns();
      for (int i = 0; i < b.dict_id_size(); i++) strings[b.dict_id(i)] = b.dict(i);
      for (const auto& p : b.processes()) processes[p.ref()].pid = p.pid();
      auto decoded = std::make_unique<std::vector<Event>>();
      decoded->reserve(b.kind().size());
      for (size_t i = 0; i < b.kind().size(); i++) {
        auto object = strings.find(b.object(int(i)));
        auto process = processes.find(b.process(int(i)));
        if (object == strings.end() || process == processes.end())
          return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "unknown reference");
        decoded->push_back({b.base_boot_ns() + b.time_delta_us(int(i)) * 1000ull, &process->second, &object->second,
                            b.aux(int(i)), b.count_size() ? b.count(int(i)) : 1, b.ret(int(i)),
                            uint16_t(b.syscall_size() ? b.syscall(int(i)) : 0), uint8_t(b.kind()[i])});
      }
      for (const Event& e : *decoded) sum += e.ns + e.aux + e.object->size() + e.process->pid;
      events += b.kind().size();
      bytes += request.ByteSizeLong();
      if (++messages % 16 == 0) {
        reply.mutable_ack()->set_received_seq(b.seq());
        stream->Write(reply);
      }
    }
    end = cpu_ns();
    std::lock_guard<std::mutex> lock(mutex);
    ended++;
    changed.notify_all();
    return grpc::Status::OK;
  }

  uint64_t start = 0, end = 0, events = 0, bytes = 0, sum = 0;
  uint32_t ended = 0;
  std::mutex mutex;
  std::condition_variable changed;
};

int serve(const Wish& w) {
  Server service;
  grpc::ServerBuilder builder;
  int port = 0;
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!w.ca.empty()) {
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = slurp(w.ca);
    options.pem_key_cert_pairs.push_back({slurp(w.key), slurp(w.cert)});
    credentials = grpc::SslServerCredentials(options);
  }
  builder.AddListeningPort("127.0.0.1:0", credentials, &port);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  if (!server) return 1;
  std::printf("port %d\n", port);
  std::fflush(stdout);
  {
    std::unique_lock<std::mutex> lock(service.mutex);
    service.changed.wait(lock, [&] { return service.ended == w.connections; });
  }
  say_result(service.end - service.start, service.events, service.bytes);
  server->Shutdown();
  return 0;
}

// The rows of stream_ours.c: 40 processes, 300 strings, 5 containers.
void fill(EventBatch* b, uint32_t events, uint64_t* random, bool define) {
  auto below = [random](uint32_t bound) {
    *random = *random * 6364136223846793005ull + 1442695040888963407ull;
    return uint32_t(*random >> 33) % bound;
  };
  b->set_base_boot_ns(5000000000000ull);
  b->set_boot_to_wall_ns(1);
  b->set_dict_epoch(1);
  for (uint32_t id = 1; define && id <= 300; id++) {
    b->add_dict_id(id);
    b->add_dict("/usr/share/some-package/data/file-" + std::to_string(id) + ".conf");
  }
  for (uint32_t ref = 1; define && ref <= 40; ref++) {
    auto* p = b->add_processes();
    p->set_ref(ref);
    p->set_pid(1000 + ref);
    p->set_exe(ref);
  }
  for (uint32_t i = 0; i < events; i++) {
    b->mutable_kind()->push_back(char(2));
    b->add_time_delta_us(i * 10);
    b->add_process(1 + below(40));
    b->add_ret(int32_t(below(40)) - 2);
    b->add_object(41 + below(260));
    b->add_aux(below(8));
    b->add_count(below(16) == 0 ? 1 + below(500) : 1);
    b->add_syscall(258);
  }
}

struct Row {
  uint64_t ns;
  uint32_t process, object, aux, count;
  int32_t ret;
  uint8_t kind;
  uint16_t syscall;
};

// From rows in memory, like ours: the columns are filled for each message, and what the other end has not
// been told yet is looked up for each name.
struct Told {
  std::unordered_set<uint32_t> strings, processes;
};

void refill(EventBatch* b, const std::vector<Row>& rows, Told* told) {
  b->clear_dict_id();
  b->clear_dict();
  b->clear_processes();
  b->clear_time_delta_us();
  b->clear_process();
  b->clear_ret();
  b->clear_object();
  b->clear_aux();
  b->clear_count();
  b->clear_syscall();
  std::string* kind = b->mutable_kind();
  kind->clear();
  for (const Row& r : rows) {
    if (told->strings.insert(r.object).second) std::abort();  // all were told with the first message
    if (told->processes.insert(r.process).second) std::abort();
    kind->push_back(char(r.kind));
    b->add_time_delta_us(uint32_t((r.ns - b->base_boot_ns()) / 1000));
    b->add_process(r.process);
    b->add_ret(r.ret);
    b->add_object(r.object);
    b->add_aux(r.aux);
    b->add_count(r.count);
    b->add_syscall(r.syscall);
  }
}

std::vector<Row> rows_of(const EventBatch& b) {
  std::vector<Row> rows;
  for (int i = 0; i < b.process_size(); i++)
    rows.push_back({b.base_boot_ns() + b.time_delta_us(i) * 1000ull, b.process(i), b.object(i), b.aux(i), b.count(i),
                    b.ret(i), uint8_t(b.kind()[size_t(i)]), uint16_t(b.syscall(i))});
  return rows;
}

int send(const Wish& w) {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  grpc::ChannelArguments args;
  if (!w.ca.empty()) {
    credentials = grpc::SslCredentials({slurp(w.ca), slurp(w.key), slurp(w.cert)});
    args.SetSslTargetNameOverride("a.analyzer.podward.svc");
  }
  auto channel = grpc::CreateCustomChannel("127.0.0.1:" + w.port, credentials, args);
  auto stub = CollectService::NewStub(channel);
  grpc::ClientContext context;
  auto stream = stub->Stream(&context);
  CollectRequest request;
  CollectReply reply;
  uint64_t random = 1, seq = 0;
  request.mutable_hello();
  if (!stream->Write(request) || !stream->Read(&reply)) return 1;
  EventBatch* b = request.mutable_batch();
  fill(b, w.batch, &random, true);
  std::vector<Row> rows = rows_of(*b);
  Told told;
  for (uint32_t id = 1; id <= 300; id++) told.strings.insert(id);
  for (uint32_t ref = 1; ref <= 40; ref++) told.processes.insert(ref);
  uint64_t start = cpu_ns();
  for (uint32_t i = 0; i < w.messages; i++) {
    if (i > 0) refill(b, rows, &told);
    b->set_seq(++seq);
    if (!stream->Write(request)) return 1;
    if (i % 16 == 15 && !stream->Read(&reply)) return 1;
  }
  stream->WritesDone();
  while (stream->Read(&reply)) {
  }
  bool good = stream->Finish().ok();
  say_result(cpu_ns() - start, uint64_t(w.batch) * w.messages, 0);
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7 && argc != 10) return 2;
  Wish w{argv[3], uint32_t(std::atoi(argv[4])), uint32_t(std::atoi(argv[5])), uint32_t(std::atoi(argv[6])), "", "", ""};
  if (argc == 10) {
    w.ca = argv[7];
    w.cert = argv[8];
    w.key = argv[9];
  }
  return std::string(argv[1]) == "server" ? serve(w) : send(w);
}
