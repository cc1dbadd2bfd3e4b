// The faulty decorators pass the contract when their script is empty, and fail exactly where it
// says.

#include "contract/faulty_store.hpp"

#include <gmock/gmock.h>

#include "contract/local_location.hpp"

namespace asb::contract {
namespace {

using testing::IsEmpty;

StoreRights with_faults(StoreRights real, const std::shared_ptr<FaultScript>& script) {
    return {.reader = std::make_unique<FaultyReader>(std::move(real.reader), script),
            .appender = std::make_unique<FaultyAppender>(std::move(real.appender), script),
            .eraser = std::move(real.eraser)};
}

class WrappedLocation : public StoreLocation {
  public:
    StoreRights open() override {
        return with_faults(real_.open(), std::make_shared<FaultScript>(std::vector<Fault>()));
    }

  private:
    LocalLocation real_;
};

INSTANTIATE_TEST_SUITE_P(Wrapped, StoreContract,
                         testing::Values(StoreCase{
                             "FaultyWithoutFaults",
                             [] { return std::make_unique<WrappedLocation>(); }}),
                         case_name);

class FaultyStore : public testing::Test {
  protected:
    void follow(std::vector<Fault> faults) {
        script_ = std::make_shared<FaultScript>(std::move(faults));
        rights_ = with_faults(location_.open(), script_);
    }
    Status put(const std::string& key, std::string_view text = "0123456789") {
        return rights_.appender->put(ObjectKey::known(key), as_bytes(text));
    }

    LocalLocation location_;
    std::shared_ptr<FaultScript> script_;
    StoreRights rights_;
};

TEST_F(FaultyStore, FailsTheNthAppendAndNoOther) {
    follow({{.call = FaultCall::append, .nth = 2, .error = no_space()}});
    EXPECT_TRUE(put("a").ok());
    EXPECT_EQ(put("b").error().code, Code::space);
    EXPECT_TRUE(put("b").ok());
    EXPECT_EQ(script_->calls(FaultCall::append), 3U);
}

TEST_F(FaultyStore, LeavesNothingWhenAnAppendIsCutShort) {
    follow({{.call = FaultCall::append, .error = io_error(), .kind = FaultKind::halfway}});
    EXPECT_EQ(put("a").error().code, Code::store);
    EXPECT_THAT(rights_.reader->list("").value(), IsEmpty());
    EXPECT_EQ(*rights_.eraser->sweep_abandoned(), 0U);
}

TEST_F(FaultyStore, LeavesNothingWhenTheCommitFails) {
    follow({{.call = FaultCall::commit, .error = io_error()}});
    EXPECT_EQ(put("a").error().code, Code::store);
    EXPECT_THAT(rights_.reader->list("").value(), IsEmpty());
}

TEST_F(FaultyStore, CanLoseTheReplyToACommitThatWasDone) {
    follow({{.call = FaultCall::commit, .error = io_error(), .kind = FaultKind::afterwards}});
    EXPECT_EQ(put("a").error().code, Code::store);
    EXPECT_EQ(texts_of(rights_.reader->list("").value()), std::vector<std::string>{"a"});
}

TEST_F(FaultyStore, FailsACreate) {
    follow({{.call = FaultCall::create, .error = no_space()}});
    EXPECT_EQ(put("a").error().code, Code::space);
    EXPECT_TRUE(put("a").ok());
}

TEST_F(FaultyStore, FailsWhatAReaderDoes) {
    follow({{.call = FaultCall::list, .error = io_error()},
            {.call = FaultCall::open, .error = io_error()},
            {.call = FaultCall::read_at, .error = short_transfer(), .kind = FaultKind::halfway}});
    ASSERT_TRUE(put("a").ok());
    EXPECT_EQ(rights_.reader->list("").error().code, Code::store);
    EXPECT_TRUE(rights_.reader->list("").ok());
    EXPECT_EQ(rights_.reader->open(ObjectKey::known("a")).error().code, Code::store);
    EXPECT_EQ(rights_.reader->get(ObjectKey::known("a"), 100).error().code, Code::damaged);
    EXPECT_EQ(*rights_.reader->get(ObjectKey::known("a"), 100), "0123456789");
}

}  // namespace
}  // namespace asb::contract
