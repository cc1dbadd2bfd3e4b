#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <memory>
#include <string>

#include "net/http.hpp"
#include "net/test_server.hpp"

namespace asb {
namespace {

using test::Server;
using test::SslContext;
using testing::HasSubstr;

struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
    void operator()(BIO* file) const { BIO_free(file); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

constexpr long kDay = 24L * 3600;

struct Identity {
    Key key;
    Certificate certificate;
};

void extend(X509* certificate, int kind, const std::string& value) {
    const std::unique_ptr<X509_EXTENSION, Free> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
    ASSERT_NE(extension, nullptr) << value;
    X509_add_ext(certificate, extension.get(), -1);
}

struct Wanted {
    std::string name = "test";
    std::string alternative = {};      // "IP:127.0.0.1"; empty: an authority
    const Identity* signer = nullptr;  // null: signs itself
    long from = -kDay, to = kDay;      // in seconds from now
};

Identity make_identity(const Wanted& wanted) {
    static long serial = 1;
    Identity made{.key = Key(EVP_EC_gen("P-256")), .certificate = Certificate(X509_new())};
    auto* const certificate = made.certificate.get();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wanted.from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wanted.to);
    X509_set_pubkey(certificate, made.key.get());
    auto* const name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wanted.name.c_str()), -1, -1,
                               0);
    const auto& signer = wanted.signer == nullptr ? made : *wanted.signer;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
    if (wanted.alternative.empty())
        extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
    else
        extend(certificate, NID_subject_alt_name, wanted.alternative);
    EXPECT_GT(X509_sign(certificate, signer.key.get(), EVP_sha256()), 0);
    return made;
}

SslContext server_context(const Identity& identity) {
    SslContext context(SSL_CTX_new(TLS_server_method()));
    EXPECT_EQ(SSL_CTX_use_certificate(context.get(), identity.certificate.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), identity.key.get()), 1);
    return context;
}

// An authority of the test's own, its certificate in a file, and servers that it vouches for.
class Tls : public testing::Test {
  public:
    ~Tls() override { std::filesystem::remove_all(folder_); }

  protected:
    Tls() {
        std::filesystem::create_directory(folder_);
        write_pem(ca_file(), authority_);
    }

    static void write_pem(const std::string& path, const Identity& identity) {
        const std::unique_ptr<BIO, Free> file(BIO_new_file(path.c_str(), "w"));
        ASSERT_NE(file, nullptr);
        PEM_write_bio_X509(file.get(), identity.certificate.get());
    }
    [[nodiscard]] std::string ca_file() const { return folder_ + "/ca.pem"; }
    [[nodiscard]] HttpClient::Options trusting() const { return {.ca_file = ca_file()}; }
    [[nodiscard]] Identity vouched_for(Wanted wanted) const {
        wanted.signer = &authority_;
        if (wanted.alternative.empty()) wanted.alternative = "IP:127.0.0.1";
        return make_identity(wanted);
    }

    static Result<HttpReply> get(const HttpClient::Options& options, const std::string& url) {
        HttpClient client(options, StopToken());
        return client.send({.url = url});
    }
    // What a client that trusts the authority says of a server with this context.
    Error refusal(SslContext context, std::string* server_name = nullptr) {
        Server server(test::always(test::reply("secret")), std::move(context));
        if (server_name != nullptr) *server_name = server.server();
        const auto reply = get(trusting(), server.url());
        EXPECT_FALSE(reply.ok());
        return reply.ok() ? Error{} : reply.error();
    }

    const std::string folder_ =
        fmt::format("{}asb-tls-{}-{}", testing::TempDir(), getpid(),
                    testing::UnitTest::GetInstance()->current_test_info()->name());
    const Identity authority_ = make_identity({.name = "authority"});
};

TEST_F(Tls, TrustsTheAuthorityThatItWasGiven) {
    Server server(test::always(test::reply("hello")), server_context(vouched_for({})));
    HttpClient client(trusting(), StopToken());
    for (int i = 0; i < 3; ++i) {
        const auto reply = client.send({.url = server.url()});
        ASSERT_TRUE(reply.ok()) << to_text(reply.error());
        EXPECT_EQ(reply->body, "hello");
    }
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(Tls, TakesAWholeNameForAName) {
    Server server(test::always(test::reply("hello")),
                  server_context(vouched_for({.alternative = "DNS:localhost"})));
    const auto reply = get(trusting(), fmt::format("https://localhost:{}/", server.port()));
    ASSERT_TRUE(reply.ok()) << to_text(reply.error());
}

TEST_F(Tls, RefusesAnAuthorityThatItDoesNotKnow) {
    Server server(test::always(test::reply("secret")), server_context(vouched_for({})));
    const auto reply = get({}, server.url());
    ASSERT_FALSE(reply.ok());
    const auto& error = reply.error();
    EXPECT_EQ(error.fact, fmt::format("nobody trusted here has signed the certificate of {}: "
                                      "unable to get local issuer certificate",
                                      server.server()));
    EXPECT_THAT(error.hint, HasSubstr("set TLS_CA_FILE to a PEM file"));
    EXPECT_EQ(error.code, Code::store);
    EXPECT_FALSE(error.retryable);
}

TEST_F(Tls, RefusesAnAuthorityThatIsNotInTheFileAndNamesTheFile) {
    const auto other = make_identity({.name = "other"});
    const auto error =
        refusal(server_context(make_identity({.alternative = "IP:127.0.0.1", .signer = &other})));
    EXPECT_THAT(error.fact, HasSubstr("nobody trusted here has signed the certificate"));
    EXPECT_THAT(error.hint, HasSubstr("'" + ca_file() + "' (TLS_CA_FILE)"));
}

TEST_F(Tls, RefusesACertificateThatSignsItself) {
    const auto error = refusal(server_context(make_identity({.alternative = "IP:127.0.0.1"})));
    EXPECT_THAT(error.fact, HasSubstr("nobody trusted here has signed the certificate"));
}

TEST_F(Tls, RefusesACertificateOfThePast) {
    std::string server;
    const auto error =
        refusal(server_context(vouched_for({.from = -2 * kDay, .to = -kDay})), &server);
    EXPECT_EQ(error.fact, fmt::format("the certificate of {} has expired", server));
    EXPECT_THAT(error.hint, HasSubstr("renew it"));
    EXPECT_FALSE(error.retryable);
}

TEST_F(Tls, RefusesACertificateOfTheFuture) {
    std::string server;
    const auto error =
        refusal(server_context(vouched_for({.from = kDay, .to = 2 * kDay})), &server);
    EXPECT_EQ(error.fact, fmt::format("the certificate of {} is not valid yet", server));
    EXPECT_THAT(error.hint, HasSubstr("clock"));
}

TEST_F(Tls, RefusesACertificateForAnotherName) {
    for (const std::string other : {"IP:127.0.0.2", "DNS:localhost", "DNS:127.0.0.1"}) {
        std::string server;
        const auto error = refusal(server_context(vouched_for({.alternative = other})), &server);
        EXPECT_EQ(error.fact, fmt::format("the certificate of {} is for another name", server));
        EXPECT_FALSE(error.retryable);
    }
}

TEST_F(Tls, RefusesAServerThatSpeaksOnlyAnOldVersion) {
    auto context = server_context(vouched_for({}));
    SSL_CTX_set_security_level(context.get(), 0);
    ASSERT_EQ(SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION), 1);
    ASSERT_EQ(SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION), 1);
    std::string server;
    const auto error = refusal(std::move(context), &server);
    EXPECT_EQ(error.fact, fmt::format("{} speaks no TLS that is new enough (1.2 or 1.3)", server));
    EXPECT_FALSE(error.retryable);
}

TEST_F(Tls, SpeaksVersion12) {
    auto context = server_context(vouched_for({}));
    ASSERT_EQ(SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION), 1);
    Server server(test::always(test::reply("hello")), std::move(context));
    const auto reply = get(trusting(), server.url());
    EXPECT_TRUE(reply.ok()) << to_text(reply.error());
}

TEST_F(Tls, RefusesAServerThatDoesNotSpeakIt) {
    Server server([](test::Peer& peer, int) {
        peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        peer.wait_for_end();
    });
    const auto reply = get(trusting(), fmt::format("https://{}/", server.server()));
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().fact, fmt::format("{} does not speak TLS", server.server()));
    EXPECT_FALSE(reply.error().retryable);
}

TEST_F(Tls, TriesAgainAfterAHandshakeThatWasCutShort) {
    Server server([](test::Peer& peer, int) { peer.reset_at_end(); });
    const auto reply = get(trusting(), fmt::format("https://{}/", server.server()));
    ASSERT_FALSE(reply.ok());
    EXPECT_THAT(reply.error().fact, HasSubstr("ended the connection in the TLS handshake"));
    EXPECT_TRUE(reply.error().retryable);
}

TEST_F(Tls, NamesAFileOfAuthoritiesThatCannotBeRead) {
    Server server(test::always(test::reply("secret")), server_context(vouched_for({})));
    const auto missing = folder_ + "/missing.pem";
    const auto reply = get({.ca_file = missing}, server.url());
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().fact,
              fmt::format("cannot read the trusted authorities in '{}'", missing));
    EXPECT_THAT(reply.error().hint, HasSubstr("TLS_CA_FILE"));
    EXPECT_FALSE(reply.error().retryable);
}

}  // namespace
}  // namespace asb
