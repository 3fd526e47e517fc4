//! Every limit of the product, by name.

/// Bytes of one document's compact JSON, numbers counted as plain decimals (PostgreSQL's JSONB prints exponents
/// in full, so `1e300` costs 301 bytes there).
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
/// Containers on the deepest path of a document, the root counted as 1.
pub const MAX_DOCUMENT_DEPTH: usize = 64;
/// Bytes of the pointers to all leaves of a document together: what an explanation of it may name. Long names around
/// many leaves are repeated for each, so that a small document could ask for gigabytes.
pub const MAX_POINTERS_BYTES: usize = 16 * 1024 * 1024;
/// Containers that may stand around a document in a request: a JSON patch is an array of operations with a value.
pub const MAX_ENVELOPE_DEPTH: usize = 4;
/// Bytes of a request's body: room for a document written with escapes and white space.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Faults that one answer names; what is wrong beyond them is counted only.
pub const MAX_FAULTS: usize = 1_000;

/// Bytes of a tenant's id.
pub const MAX_TENANT_ID_BYTES: usize = 48;
/// Bytes of a node's key.
pub const MAX_NODE_KEY_BYTES: usize = 255;
/// Characters of a context's type.
pub const MAX_CONTEXT_TYPE_CHARS: usize = 100;
/// Characters of a title.
pub const MAX_TITLE_CHARS: usize = 255;
/// Characters of a description.
pub const MAX_DESCRIPTION_CHARS: usize = 1_000;
/// Characters of a user's id.
pub const MAX_USER_ID_CHARS: usize = 100;
/// Tags of one context.
pub const MAX_TAGS: usize = 20;
/// Characters of one tag.
pub const MAX_TAG_CHARS: usize = 50;

/// Bytes of one `inheritance`'s compact JSON.
pub const MAX_INHERITANCE_BYTES: usize = 64 * 1024;
/// Pointers in one `inheritance`: `unset`, `strategies` and `locked` counted together, so that a merge's cost stays in
/// proportion to its documents.
pub const MAX_INHERITANCE_POINTERS: usize = 256;
/// Segments in one pointer of `inheritance`; no document is deeper.
pub const MAX_POINTER_SEGMENTS: usize = 64;

/// Operations in one JSON patch.
pub const MAX_PATCH_OPERATIONS: usize = 256;
/// Bytes of an idempotency key.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;
/// How long a success is remembered under its idempotency key, in hours.
pub const IDEMPOTENCY_WINDOW_HOURS: i64 = 24;
/// [`IDEMPOTENCY_WINDOW_HOURS`] in microseconds.
pub const IDEMPOTENCY_WINDOW_MICROS: i64 = IDEMPOTENCY_WINDOW_HOURS * 60 * 60 * 1_000_000;
/// Bytes of a request's id, as a client may send it.
pub const MAX_REQUEST_ID_BYTES: usize = 100;

/// Items on a page where the caller names no number.
pub const DEFAULT_PAGE_LIMIT: usize = 50;
/// Bytes of documents after which a page ends, though more items were asked for.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Items read from the store at a time for a page, so that a page of large ones is never in memory whole.
pub const PAGE_READ: usize = 25;
/// Items on a page at the most.
pub const MAX_PAGE_LIMIT: usize = 200;

/// Times that a write is computed anew after another one came between, before it is answered as contended.
pub const MAX_WRITE_ATTEMPTS: usize = 100;
/// Attempts of a write that run freely; later ones queue behind each other within this process.
pub const FREE_WRITE_ATTEMPTS: usize = 3;

/// Characters of a word that is searched for; longer words are cut.
pub const MAX_WORD_CHARS: usize = 64;
/// Characters of a text whose words are searched for.
pub const MAX_SEARCH_TEXT_CHARS: usize = 1_000;

/// Characters of what people call an API key.
pub const MAX_KEY_NAME_CHARS: usize = 100;
/// How exactly the last use of a key is known, in microseconds: a minute.
pub const KEY_USE_RESOLUTION_MICROS: i64 = 60 * 1_000_000;

/// Bytes of the documents that a store keeps in memory, parsed; what is seldom read goes first.
pub const MAX_DOCUMENTS_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of the resolved documents that are kept in memory, as text.
pub const MAX_RESULTS_BYTES: u64 = 32 * 1024 * 1024;

/// Returns a size as people write it: `1 MiB`, `64 KiB`, `255 bytes`.
pub fn bytes_text(bytes: usize) -> String {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    match bytes {
        MIB.. if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        KIB.. if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        1 => "1 byte".to_owned(),
        _ => format!("{bytes} bytes"),
    }
}
