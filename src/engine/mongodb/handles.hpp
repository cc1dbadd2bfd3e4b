#pragma once
// Why this exists: libmongoc's and libbson's objects are freed by exactly one owner each, and the
// library is started once and ended after the last use.

#include <mongoc/mongoc.h>

#include <memory>

namespace asb {

struct MongoUriDeleter {
    void operator()(mongoc_uri_t* uri) const { mongoc_uri_destroy(uri); }
};
struct MongoClientDeleter {
    void operator()(mongoc_client_t* client) const { mongoc_client_destroy(client); }
};
struct MongoDatabaseDeleter {
    void operator()(mongoc_database_t* database) const { mongoc_database_destroy(database); }
};
struct MongoCollectionDeleter {
    void operator()(mongoc_collection_t* collection) const {
        mongoc_collection_destroy(collection);
    }
};
struct MongoCursorDeleter {
    void operator()(mongoc_cursor_t* cursor) const { mongoc_cursor_destroy(cursor); }
};
struct MongoBulkDeleter {
    void operator()(mongoc_bulk_operation_t* bulk) const { mongoc_bulk_operation_destroy(bulk); }
};
struct MongoReadPrefsDeleter {
    void operator()(mongoc_read_prefs_t* prefs) const { mongoc_read_prefs_destroy(prefs); }
};
struct MongoWriteConcernDeleter {
    void operator()(mongoc_write_concern_t* concern) const {
        mongoc_write_concern_destroy(concern);
    }
};
struct MongoServerDeleter {
    void operator()(mongoc_server_description_t* server) const {
        mongoc_server_description_destroy(server);
    }
};
struct BsonDeleter {
    void operator()(bson_t* document) const { bson_destroy(document); }
};
struct BsonMemoryDeleter {
    void operator()(void* memory) const { bson_free(memory); }
};

using MongoUri = std::unique_ptr<mongoc_uri_t, MongoUriDeleter>;
using MongoClient = std::unique_ptr<mongoc_client_t, MongoClientDeleter>;
using MongoDatabase = std::unique_ptr<mongoc_database_t, MongoDatabaseDeleter>;
using MongoCollection = std::unique_ptr<mongoc_collection_t, MongoCollectionDeleter>;
using MongoCursor = std::unique_ptr<mongoc_cursor_t, MongoCursorDeleter>;
using MongoBulk = std::unique_ptr<mongoc_bulk_operation_t, MongoBulkDeleter>;
using MongoReadPrefs = std::unique_ptr<mongoc_read_prefs_t, MongoReadPrefsDeleter>;
using MongoWriteConcern = std::unique_ptr<mongoc_write_concern_t, MongoWriteConcernDeleter>;
using MongoServer = std::unique_ptr<mongoc_server_description_t, MongoServerDeleter>;
// g++ says that a template does not keep bson_t's alignment; a pointer to it needs none.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"
using Bson = std::unique_ptr<bson_t, BsonDeleter>;
#pragma GCC diagnostic pop
using BsonText = std::unique_ptr<char, BsonMemoryDeleter>;

// Starts libmongoc, silences its own log (what it has to say comes back in errors), and ends it
// when the process ends. Every use of the library comes after this. Thread-safe.
void start_mongoc();

}  // namespace asb
