// Reads orders, writes an invoice for each, and commits both together: run it as often as you like,
// kill it where you like, and each order has one invoice.
//
//   casc-admin topic create orders && casc-admin topic create invoices
//   casc-admin produce orders -v apples -v pears
//   casc-example-exactly-once 127.0.0.1:7440 orders invoices

#include <casc/client/client.hpp>

#include <iostream>
#include <string>

using namespace casc;
using namespace std::chrono_literals;

namespace {

Result<std::size_t> copy_some(client::Consumer& orders, client::Transactor& transactor,
                              const std::string& invoices) {
    CASC_TRY(const client::EventBatch events, orders.poll(100, 500ms));
    client::Transaction transaction(transactor);
    for (const client::ConsumedEvent& order : events) {
        const std::string text =
            "invoice for " + std::string(reinterpret_cast<const char*>(order.event.payload.data()),
                                         order.event.payload.size());
        CASC_TRY_VOID(transaction.send(invoices, {.payload = std::as_bytes(std::span(text))}));
    }
    CASC_TRY_VOID(transaction.commit_positions(orders));
    CASC_TRY_VOID(transaction.commit());
    return events.size();
}

Result<void> run(const std::string& address, const std::string& from, const std::string& to) {
    client::ClientOptions options;
    options.endpoints = {address};
    CASC_TRY(const auto client, client::Client::connect(options));
    // The name fences an instance that was thought dead and is not.
    client::TransactorOptions as;
    as.name = "invoices";
    CASC_TRY(auto transactor, client->make_transactor(as));
    client::ConsumerOptions reading;
    reading.group = "invoices";
    reading.auto_commit = false;
    CASC_TRY(auto orders, client->make_consumer(reading));
    CASC_TRY_VOID(orders.subscribe({from}));
    for (int idle = 0; idle < 4;) {
        CASC_TRY(const std::size_t written, copy_some(orders, transactor, to));
        if (written != 0) std::cout << written << " invoices\n";
        idle = written == 0 ? idle + 1 : 0;
    }
    return orders.close();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: casc-example-exactly-once ENDPOINT FROM TO\n";
        return 2;
    }
    const auto done = run(argv[1], argv[2], argv[3]);
    if (done) return 0;
    std::cerr << done.error().message() << '\n';
    return 1;
}
