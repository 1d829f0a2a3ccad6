//! `[federation]`: mail from and to other servers.

use crate::model::Federation;
use crate::reader::Reader;
use crate::values::block_list;

pub(crate) fn federation(table: &mut Reader) -> Federation {
    Federation { blocked: table.take_with("blocked", Default::default(), block_list) }
}
