//! Lists of records, newest first: a function's, and a project's of calls whose code is stored nowhere.

use cloudbox_database::Query;

use crate::store::RecordFilter;

/// Where a page begins: the time and the number of the record before it.
pub(crate) type Cursor = (i64, i64);

/// What kinds of lists of records have in common.
pub(crate) struct Listed {
    /// Which columns of which table.
    pub select: &'static str,
    /// Whose a record is.
    pub owner: &'static str,
    /// The index for lists of one status.
    pub by_status: &'static str,
}

/// The text of a list, newest first, with the conditions that are asked for and no others: so the index that fits is used,
/// from the cursor down to the oldest that is wanted, and nothing else is looked at. SQLite has no statistics, and would
/// take the narrower of two indexes. The first placeholder is the owner, the last one the limit.
pub(crate) fn newest_first(listed: &Listed, filter: &RecordFilter, is_postgres: bool) -> String {
    let mut places = 3;
    let mut place = || {
        places += 1;
        places
    };
    let Listed { select, owner, by_status } = listed;
    let mut text = (*select).to_owned();
    if filter.status.is_some() && !is_postgres {
        text += &format!(" INDEXED BY {by_status}");
    }
    text += &format!(" WHERE {owner} = $1 AND (created_at, seq) < ($2, $3)");
    if filter.status.is_some() {
        text += &format!(" AND status = ${}", place());
    }
    if filter.since.is_some() {
        text += &format!(" AND created_at >= ${}", place());
    }
    text + &format!(" ORDER BY created_at DESC, seq DESC LIMIT ${}", place())
}

/// The values of such a list but for the owner and the limit.
pub(crate) fn bound(query: Query, filter: &RecordFilter, (time, seq): Cursor) -> Query {
    let mut query = query.bind(time).bind(seq);
    if let Some(status) = filter.status {
        query = query.bind(status.as_str());
    }
    if let Some(since) = filter.since {
        query = query.bind(since.as_millisecond());
    }
    query
}
