//! Room for open files: the soft limit is raised to what is needed, as far as the hard one lets it.

use crate::error::LoadError;

/// Files that are open beside the connections.
const OTHERS: usize = 32;

/// Makes room for so many connections, or says what is missing.
pub(crate) fn make_room(connections: usize) -> Result<(), LoadError> {
    let needed = (connections + OTHERS) as u64;
    // Never below what is allowed already.
    let now = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(0, |(soft, _)| soft);
    if now >= needed {
        return Ok(());
    }
    let got =
        rlimit::increase_nofile_limit(needed).map_err(LoadError::io("the limit of open files"))?;
    if got >= needed {
        return Ok(());
    }
    Err(LoadError::Usage(format!(
        "{connections} connections need {needed} open files, and the hard limit is {got} (ulimit -Hn): \
         raise it, or take fewer --conns"
    )))
}
