#pragma once
// Why this exists: the verbs with their options, summaries and examples, as --help shows them; what
// they mean together is command_line.cpp's.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "app/command_line.hpp"

namespace asb {

// What CLI11 writes into while it parses.
struct Words {
    Invocation invocation;
    std::string backup_type;
    std::string backup_type_word;
    std::string restore_verify;
    bool restore_list = false;
    std::string components;
    std::vector<std::string> only;
    std::string resume;
    std::vector<std::string> tablespaces;
    std::vector<std::string> sets;
    bool allow_inconsistent = false;
    std::string backup_dir;
    std::string repository;
    std::string jobs;
    std::string progress = "auto";
};

// Declares every verb; parsing fills `words`, which must outlive `app`.
void add_verbs(CLI::App& app, Words& words);

}  // namespace asb
