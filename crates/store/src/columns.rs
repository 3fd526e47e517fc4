//! Lists of columns, from which SQL text, parameters and row readers follow.

/// A column of a table.
pub(crate) trait Column: Copy {
    /// Returns its name in SQL.
    fn name(self) -> &'static str;

    /// Returns its position in the list, and so in a row that was selected with the list.
    fn index(self) -> usize;
}

/// Declares the columns of a table as an enumeration, each with its name in SQL and, if needed, its type.
macro_rules! columns {
    ($(#[$about:meta])* $list:ident($types:ty): $($column:ident $name:literal $type:expr;)+) => {
        $crate::columns::columns! { $(#[$about])* $list: $($column $name;)+ }

        impl $list {
            /// Returns the type that a parameter for the column is sent with.
            pub(super) fn column_type(self) -> $types {
                match self {
                    $(Self::$column => $type),+
                }
            }
        }
    };
    ($(#[$about:meta])* $list:ident: $($column:ident $name:literal;)+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $list {
            $(#[doc = concat!("`", $name, "`")] $column),+
        }

        impl $list {
            /// All columns, in the order of the list.
            pub(super) const ALL: &'static [Self] = &[$(Self::$column),+];
        }

        impl $crate::columns::Column for $list {
            fn name(self) -> &'static str {
                match self {
                    $(Self::$column => $name),+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use columns;

/// Lists these columns, qualified with the table alias `row`: `c.id, c.title`.
pub(crate) fn qualified_names<C: Column>(row: &str, columns: impl IntoIterator<Item = C>) -> String {
    join(columns, |column| format!("{row}.{}", column.name()))
}

/// Lists these columns: `id, title`.
pub(crate) fn names<C: Column>(columns: impl IntoIterator<Item = C>) -> String {
    join(columns, |column| column.name().to_owned())
}

/// Calls `fragment` for each column, and joins the results with commas.
pub(crate) fn join<C: Column>(
    columns: impl IntoIterator<Item = C>,
    fragment: impl FnMut(C) -> String,
) -> String {
    columns.into_iter().map(fragment).collect::<Vec<_>>().join(", ")
}
