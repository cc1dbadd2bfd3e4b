#include "repo/tar_stream.hpp"

namespace asb {

Status TarStream::pump(ByteSource& source) {
    while (true) {
        ASB_CHECK(options_.stop.check());
        ASB_TRY(const Bytes bytes, source.next());
        if (bytes.empty()) return parser_.finish();
        ASB_CHECK(parser_.feed(bytes));
        plain_bytes_ += bytes.size();
        if (options_.progress != nullptr) options_.progress->add(bytes.size());
    }
}

}  // namespace asb
