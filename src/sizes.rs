//! How full the tables are: each with its limit, so that anybody can see that none outgrows it.
//!
//! A table is easily added and its limit easily forgotten. So whoever lists sizes takes the whole structure apart,
//! field by field and without `..`: a new field does not compile until it is either listed or passed to `no_table`,
//! which takes only what owns no memory.

/// A table, how many entries it has, and how many it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// What is kept there, for instance `peers`.
    pub table: &'static str,
    /// How many entries there are.
    pub len: usize,
    /// How many there are at most.
    pub max: usize,
}

impl Size {
    pub(crate) fn new(table: &'static str, len: usize, max: usize) -> Size {
        Size { table, len, max }
    }
}

/// Says that a field is no table. What has nothing to free owns no memory that could grow.
pub(crate) fn no_table<T>(_field: &T) {
    const { assert!(!std::mem::needs_drop::<T>(), "this field may own memory: list its size") }
}
