#include "net/curl_error.hpp"

#include <openssl/x509_vfy.h>

#include <system_error>

#include "base/text.hpp"

namespace asb {

Error passing(Error error) {
    error.retryable = true;
    return error;
}

namespace {

long info(const CurlFailure& failure, CURLINFO what) {
    long value = 0;
    curl_easy_getinfo(failure.easy, what, &value);
    return value;
}

// ": Connection refused"; empty when the system said nothing.
std::string system_said(const CurlFailure& failure) {
    const auto number = static_cast<int>(info(failure, CURLINFO_OS_ERRNO));
    return number == 0 ? "" : ": " + std::system_category().message(number);
}

Error unknown_authority(const CurlFailure& failure, long verdict) {
    auto error = fail(Code::store, "nobody trusted here has signed the certificate of {}: {}",
                      failure.server, X509_verify_cert_error_string(verdict));
    return with_hint(
        std::move(error),
        failure.ca_file.empty()
            ? "if it is the right server, set TLS_CA_FILE to a PEM file with the "
              "certificate of the authority that signed it"
            : fmt::format("only the authorities in '{}' (TLS_CA_FILE) are trusted: add "
                          "the one that signed the server's certificate, or correct "
                          "the setting",
                          failure.ca_file));
}

Error wrong_name(const CurlFailure& failure) {
    return with_hint(fail(Code::store, "the certificate of {} is for another name", failure.server),
                     "use one of the names in the server's certificate, or give the server a "
                     "certificate with this name");
}

Error bad_certificate(const CurlFailure& failure) {
    const auto verdict = info(failure, CURLINFO_SSL_VERIFYRESULT);
    switch (verdict) {
        // libcurl looks at the name before it asks for OpenSSL's verdict, and leaves its "none
        // yet".
        case X509_V_OK:
        case X509_V_ERR_UNSPECIFIED:
            return wrong_name(failure);
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return with_hint(fail(Code::store, "the certificate of {} has expired", failure.server),
                             "renew it on the server; if it is still valid, set the clock of this "
                             "machine");
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return with_hint(
                fail(Code::store, "the certificate of {} is not valid yet", failure.server),
                "set the clock of this machine, or of the one that made the certificate");
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return unknown_authority(failure, verdict);
        default:
            return with_hint(fail(Code::store, "the certificate of {} does not verify: {}",
                                  failure.server, X509_verify_cert_error_string(verdict)),
                             "give the server a valid certificate");
    }
}

Error handshake(const CurlFailure& failure) {
    const auto says = [&](std::string_view words) {
        return failure.detail.find(words) != std::string::npos;
    };
    if (says("protocol version") || says("unsupported protocol"))
        return with_hint(
            fail(Code::store, "{} speaks no TLS that is new enough (1.2 or 1.3)", failure.server),
            "let the server offer TLS 1.2 or 1.3; older ones are not safe and never used");
    if (says("wrong version number") || says("packet length too long"))
        return with_hint(fail(Code::store, "{} does not speak TLS", failure.server),
                         "is another port meant, or http:// instead of https://?");
    if (says("SSL_ERROR_SYSCALL") || says("unexpected eof") || says("reset"))
        return passing(
            with_hint(fail(Code::store, "{} ended the connection in the TLS handshake{}",
                           failure.server, system_said(failure)),
                      "is it a server that speaks TLS, or a proxy in between that refuses?"));
    return with_hint(fail(Code::store, "no TLS connection with {}: {}", failure.server,
                          printable(failure.detail)),
                     "look into the server's TLS settings and its log");
}

Error unusable_ca_file(const CurlFailure& failure) {
    return with_hint(fail(Code::store, "cannot read the trusted authorities in '{}'",
                          failure.ca_file.empty() ? "the system's store" : failure.ca_file),
                     failure.ca_file.empty()
                         ? "install the package ca-certificates, or set TLS_CA_FILE"
                         : "TLS_CA_FILE must name a readable file with certificates in PEM form");
}

Error no_address(const CurlFailure& failure) {
    auto error =
        with_hint(fail(Code::store, "no address is known for the name in {}", failure.server),
                  "check the name, and the name service of this machine");
    error.retryable = failure.was_reached;
    return error;
}

Error no_connection(const CurlFailure& failure) {
    return passing(
        with_hint(fail(Code::store, "cannot connect to {}{}", failure.server, system_said(failure)),
                  "is the server up, and may this machine reach it (firewall, proxy)?"));
}

// What a proxy answered instead of opening a way to the server.
Error refused_by_proxy(const CurlFailure& failure, long status) {
    auto error = with_hint(fail(Code::store, "the proxy refused a connection to {} with status {}",
                                failure.server, status),
                           "let the proxy allow it, or name the server in no_proxy");
    error.retryable = status >= 500;
    return error;
}

Error lost(const CurlFailure& failure) {
    const auto status = info(failure, CURLINFO_HTTP_CONNECTCODE);
    if (status >= 300) return refused_by_proxy(failure, status);
    return passing(with_hint(
        fail(Code::store, "the connection to {} was lost{}", failure.server, system_said(failure)),
        "look into the server's log, and at what is between it and this machine"));
}

}  // namespace

Error explain(const CurlFailure& failure) {
    const auto& server = failure.server;
    switch (failure.code) {
        case CURLE_PEER_FAILED_VERIFICATION:
            return bad_certificate(failure);
        case CURLE_SSL_CONNECT_ERROR:
            return handshake(failure);
        case CURLE_SSL_CACERT_BADFILE:
            return unusable_ca_file(failure);
        case CURLE_COULDNT_RESOLVE_HOST:
            return no_address(failure);
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_PROXY:
            return with_hint(fail(Code::store, "cannot reach {} through the proxy", server),
                             "check the proxy's name, and http_proxy, https_proxy and no_proxy");
        case CURLE_COULDNT_CONNECT:
            return no_connection(failure);
        // Of all deadlines only the one for connecting is libcurl's.
        case CURLE_OPERATION_TIMEDOUT:
            return passing(with_hint(fail(Code::store, "no connection to {} in time", server),
                                     "is the server up, and may this machine reach it (firewall, "
                                     "proxy)?"));
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
            return lost(failure);
        case CURLE_GOT_NOTHING:
            return passing(with_hint(
                fail(Code::store, "{} closed the connection without a reply", server),
                "look into the server's log; a server that only speaks TLS needs https://"));
        case CURLE_PARTIAL_FILE:
            return passing(with_hint(fail(Code::store, "the reply of {} was cut short", server),
                                     "look into the server's log, and at what is between it and "
                                     "this machine"));
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_UNSUPPORTED_PROTOCOL:
            return with_hint(fail(Code::store, "{} does not speak HTTP", server),
                             "check the address and the port");
        default:
            return with_hint(fail(Code::store, "no exchange with {}: {}", server,
                                  curl_easy_strerror(failure.code)),
                             "look into the server's log");
    }
}

}  // namespace asb
