#include "results/store_compact.h"

#include "results/store_connection.h"

namespace ptq::results {

Status CompactResults(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(const Database database, OpenResults(path, Store::Mode::kReadWrite));
  PTQ_RETURN_IF_ERROR(database.Execute("VACUUM"));
  return database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

}  // namespace ptq::results
