//! What a run has counted.

/// How many steps of each sort were made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// All steps.
    pub steps: u64,
    /// Requests that were accepted.
    pub accepted: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Calls that changed something.
    pub changed: u64,
    /// Calls that were rejected.
    pub rejected: u64,
    /// Answers of a node without a feed that were right earlier.
    pub stale: u64,
    /// Answers that a token does not exist which was presented before it did, and does now.
    pub early: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            steps: self.steps + more.steps,
            accepted: self.accepted + more.accepted,
            refused: self.refused + more.refused,
            changed: self.changed + more.changed,
            rejected: self.rejected + more.rejected,
            stale: self.stale + more.stale,
            early: self.early + more.early,
        }
    }
}
