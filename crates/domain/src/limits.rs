//! Every limit that callers can meet, as a named constant. Texts that mention a limit are formatted from it.

/// Maximum bytes of one document's compact JSON, numbers counted as plain decimals (PostgreSQL's JSONB prints
/// exponents in full, so `1e300` costs 301 bytes there).
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
/// Maximum number of containers on the deepest path of a document, the root counted as 1.
pub const MAX_DOCUMENT_DEPTH: usize = 64;
/// Maximum bytes of the pointers to all leaves of a document together, which is what an explanation of it may
/// list. A long name is repeated in the pointer of every leaf below it, so a small document could ask for
/// gigabytes.
pub const MAX_POINTERS_BYTES: usize = 16 * 1024 * 1024;
/// Maximum number of containers around a document in a request: a JSON patch is an array of operations with a
/// value.
pub const MAX_ENVELOPE_DEPTH: usize = 4;
/// Maximum bytes of a request's body: room for a document written with escapes and white space.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Maximum number of faults of one kind (unknown members, locked values) that one response lists.
pub const MAX_FAULTS: usize = 1_000;

/// Maximum bytes of a tenant's id.
pub const MAX_TENANT_ID_BYTES: usize = 48;
/// Maximum bytes of a node's key.
pub const MAX_NODE_KEY_BYTES: usize = 255;
/// Maximum characters of a context's type.
pub const MAX_CONTEXT_TYPE_CHARS: usize = 100;
/// Maximum characters of a title.
pub const MAX_TITLE_CHARS: usize = 255;
/// Maximum characters of a description.
pub const MAX_DESCRIPTION_CHARS: usize = 1_000;
/// Maximum characters of a user's id.
pub const MAX_USER_ID_CHARS: usize = 100;
/// Maximum number of tags of one context.
pub const MAX_TAGS: usize = 20;
/// Maximum characters of one tag.
pub const MAX_TAG_CHARS: usize = 50;

/// Maximum bytes of one `inheritance`'s compact JSON.
pub const MAX_INHERITANCE_BYTES: usize = 64 * 1024;
/// Maximum number of pointers in one `inheritance`, `unset`, `strategies` and `locked` counted together, so
/// that the cost of a merge stays in proportion to its documents.
pub const MAX_INHERITANCE_POINTERS: usize = 256;
/// Maximum number of segments in one pointer of `inheritance`; no document is deeper.
pub const MAX_POINTER_SEGMENTS: usize = 64;

/// Maximum number of operations in one JSON patch.
pub const MAX_PATCH_OPERATIONS: usize = 256;
/// Maximum bytes of an idempotency key.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Time for which a successful write is remembered under its idempotency key, in hours.
pub const IDEMPOTENCY_WINDOW_HOURS: i64 = 24;
/// [`IDEMPOTENCY_WINDOW_HOURS`] in microseconds.
pub const IDEMPOTENCY_WINDOW_MICROS: i64 = IDEMPOTENCY_WINDOW_HOURS * 60 * 60 * 1_000_000;
/// Maximum bytes of a request's id sent by a client.
pub const MAX_REQUEST_ID_BYTES: usize = 100;

/// Number of items on a page if the caller gives no limit.
pub const DEFAULT_PAGE_LIMIT: usize = 50;
/// Bytes of documents after which a page ends, even if more items were asked for.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Number of items read from the store at a time for a page, so that a page of large items is not held in
/// memory whole before its size is known.
pub const PAGE_READ: usize = 25;
/// Maximum number of items on a page.
pub const MAX_PAGE_LIMIT: usize = 200;

/// Maximum number of times a write is computed before it fails as contended, if other writes keep being
/// committed first.
pub const MAX_WRITE_ATTEMPTS: usize = 100;
/// Number of attempts after which a write waits in a queue with other writes to the same address in this
/// process.
pub const FREE_WRITE_ATTEMPTS: usize = 3;

/// Maximum characters of a word in a search; longer words are cut.
pub const MAX_WORD_CHARS: usize = 64;
/// Maximum characters of a search text.
pub const MAX_SEARCH_TEXT_CHARS: usize = 1_000;

/// Maximum characters of the name that people give an API key.
pub const MAX_KEY_NAME_CHARS: usize = 100;
/// Precision of an API key's last use, in microseconds: a minute.
pub const KEY_USE_RESOLUTION_MICROS: i64 = 60 * 1_000_000;

/// Maximum bytes of parsed documents that a store keeps in memory; those not used lately are dropped first.
pub const MAX_DOCUMENTS_BYTES: u64 = 64 * 1024 * 1024;
/// Maximum bytes of resolved documents kept in memory as text.
pub const MAX_RESULTS_BYTES: u64 = 32 * 1024 * 1024;

/// Returns a number of bytes as messages and documents write it: `8 MiB`, `64 KiB`, and `1000 bytes` for a
/// number that is no multiple of 1024.
pub fn bytes_text(bytes: usize) -> String {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    if bytes == 0 || !bytes.is_multiple_of(KIB) {
        return format!("{bytes} bytes");
    }
    if bytes.is_multiple_of(MIB) { format!("{} MiB", bytes / MIB) } else { format!("{} KiB", bytes / KIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_the_largest_unit_that_is_exact() {
        let texts =
            [0, 1000, 1024, 64 * 1024, 1024 * 1024, 1024 * 1024 + 1024, 1024 * 1024 + 1].map(bytes_text);
        let expected = ["0 bytes", "1000 bytes", "1 KiB", "64 KiB", "1 MiB", "1025 KiB", "1048577 bytes"]
            .map(str::to_owned);
        assert_eq!(texts, expected);
    }
}
