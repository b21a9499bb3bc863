// store_connection.h: what a Store holds; private to the store's sources.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "results/sqlite_database.h"
#include "results/store.h"

namespace ptq::results {

struct Store::Connection {
  Database database;
};

// Of a file that this program makes.
int64_t CurrentSchema();

// Opens the file as Store::Open promises: checked to be ptqbench's, of this schema, created where asked.
Result<Database> OpenResults(const std::string& path, Store::Mode mode);

// The columns of a table or view, in their order.
Result<std::vector<std::string>> ColumnsOf(const Database& database, const std::string& table);

// The row of a host or build, inserted where there is none.
Result<int64_t> StoreHost(const Database& database, const HostRecord& host);
Result<int64_t> StoreBuild(const Database& database, const BuildRecord& build);

}  // namespace ptq::results
