//! The dynamic table (RFC 7541 2.3.2, 4).

use super::block::Entry;

/// The fields that a peer put into the table, as lines one behind the other in one arena: adding one copies its line, naming
/// one copies it back, dropping one moves the beginning.
pub(super) struct Table {
    arena: Vec<u8>,
    /// The oldest first, behind those that were dropped. What lies in the arena before its line is free.
    entries: Vec<Entry>,
    /// How many were dropped and are still among them.
    dropped: usize,
    /// Bytes that the entries count.
    size: usize,
    /// What they may count: as the peer has chosen, up to what it may choose.
    limit: usize,
    allowed: usize,
}

/// Memory that a table begins with.
const BEGINNING: usize = 256;

impl Table {
    pub(super) fn new(allowed: usize) -> Self {
        // Offsets are 32 bits wide.
        let allowed = allowed.min(1 << 28);
        Self { arena: Vec::new(), entries: Vec::new(), dropped: 0, size: 0, limit: allowed, allowed }
    }

    /// The field of an index that counts from 0, the newest, and its line.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &Entry)> {
        let entry = self.entries.get(self.dropped..)?.iter().nth_back(index)?;
        let start = entry.start as usize;
        Some((self.arena.get(start..start + entry.line_length())?, entry))
    }

    /// Adds a field and drops the oldest ones for it. One that is larger than the table empties it (RFC 7541 4.4).
    #[inline(never)]
    pub(super) fn insert(&mut self, line: &[u8], entry: Entry) {
        let size = entry.size();
        let Some(room) = self.limit.checked_sub(size) else { return self.evict(0) };
        self.evict(room);
        self.make_room(line.len());
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(line);
        self.entries.push(Entry { start, ..entry });
        self.size += size;
    }

    /// Takes another limit, which the peer has chosen; whether it is one that it may choose.
    #[must_use]
    pub(super) fn resize(&mut self, limit: usize) -> bool {
        if limit > self.allowed {
            return false;
        }
        self.limit = limit;
        self.evict(limit);
        true
    }

    /// Drops the oldest fields until the others count no more than this.
    fn evict(&mut self, most: usize) {
        while self.size > most
            && let Some(entry) = self.entries.get(self.dropped)
        {
            self.size -= entry.size();
            self.dropped += 1;
        }
        if self.dropped == self.entries.len() {
            self.entries.clear();
            self.arena.clear();
            self.dropped = 0;
        }
    }

    /// Sees to it that a line fits behind the others. Where half of the arena is free, or it would become larger than
    /// twice the table, the lines move to its front: that makes room for at least as many bytes as it moves, so that the
    /// work stays linear in what comes.
    fn make_room(&mut self, length: usize) {
        if self.entries.len() == self.entries.capacity() && self.dropped >= self.entries.len() / 2 {
            self.forget_dropped();
        }
        let capacity = self.arena.capacity();
        if self.arena.len() + length <= capacity {
            return;
        }
        let most = 2 * self.allowed;
        if self.front() >= capacity / 2 || self.arena.len() + length > most {
            self.compact();
        }
        let used = self.arena.len();
        if used + length > capacity {
            let wanted = (2 * capacity).max(BEGINNING).min(most).max(used + length);
            self.arena.reserve_exact(wanted - used);
        }
    }

    /// Where the oldest line lies.
    fn front(&self) -> usize {
        self.entries.get(self.dropped).map_or(self.arena.len(), |entry| entry.start as usize)
    }

    /// Moves what is there to the front.
    fn compact(&mut self) {
        self.forget_dropped();
        let free = self.front();
        self.arena.copy_within(free.., 0);
        self.arena.truncate(self.arena.len() - free);
        for entry in &mut self.entries {
            entry.start -= free as u32;
        }
    }

    fn forget_dropped(&mut self) {
        self.entries.drain(..self.dropped);
        self.dropped = 0;
    }

    /// Gives back what memory is not in use.
    pub(super) fn shrink(&mut self) {
        self.compact();
        self.arena.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    pub(super) fn memory(&self) -> usize {
        self.arena.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// How many fields there are, and what they count.
    #[cfg(test)]
    pub(super) fn fill(&self) -> (usize, usize) {
        (self.entries.len() - self.dropped, self.size)
    }
}
