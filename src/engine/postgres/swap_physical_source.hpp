#pragma once
// Why this exists: a physical backup becomes databases that can be copied through a private data
// directory and a private server that opens it.

#include <memory>
#include <string>
#include <vector>

#include "engine/postgres/data_directory_writer.hpp"
#include "engine/postgres/private_instance.hpp"
#include "engine/postgres/swap_source.hpp"

namespace asb::postgres {

// The staging area must outlive it. The private server ends with it.
class PhysicalSource final : public CopySource {
  public:
    struct Options {
        ServerPrograms programs;
        std::optional<Owner> owner;
        unsigned jobs = 2;
        Json facts;
        std::optional<Recovery> recovery;
    };
    static Result<std::unique_ptr<PhysicalSource>> make(Options options, StagingArea& area,
                                                        const SessionContext& context);

    Status begin(const EntryHeader& header) override { return writer_->begin(header); }
    Status write(Bytes bytes) override { return writer_->write(bytes); }
    Status end() override { return writer_->end(); }
    Status open() override;
    Result<std::vector<std::string>> databases() override;
    Result<RoleList> roles() override;
    Result<DatabaseDescription> describe(const std::string& database) override;
    Result<StoredDump> dump(const std::string& database, unsigned jobs) override;
    Status discard(const std::string& database) override;
    Result<Compared> compare(const std::string& database, Connection& copy) override;

  private:
    PhysicalSource(Options options, StagingArea& area, const SessionContext& context)
        : options_(std::move(options)), area_(area), context_(context) {}
    [[nodiscard]] std::string dump_folder(const std::string& database) const;

    Options options_;
    StagingArea& area_;
    SessionContext context_;
    std::unique_ptr<DataDirectoryWriter> writer_;
    std::unique_ptr<PrivateInstance> instance_;
};

}  // namespace asb::postgres
