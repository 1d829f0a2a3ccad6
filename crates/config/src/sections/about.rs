//! `[about]`: the owner's texts about the server.

use crate::model::About;
use crate::reader::Reader;
use crate::values::optional_line;

pub(crate) fn about(table: &mut Reader) -> About {
    About {
        comment: table.take_with("comment", None, optional_line),
        admin: table.take_with("admin", None, optional_line),
    }
}
