//! A digest made anew under the current pepper.

use crate::{
    credential::Kind,
    secret::{Digest, Peppers},
    store::{
        StoreError,
        postgres::{
            PostgresStore,
            pool::Purpose,
            row::{failed, get},
            storable,
        },
        rows::Columns,
    },
};

impl PostgresStore {
    /// Returns whether there was something to make anew.
    pub(super) async fn make_anew(
        &self,
        kind: Kind,
        id: &str,
        presented: &Digest,
    ) -> Result<bool, StoreError> {
        if !storable(id) {
            return Ok(false);
        }
        let (sql, peppers) = (&self.statements, self.peppers.as_ref());
        self.transact(Purpose::Ordinary, async |db| {
            let query = sql.hold_digest.query().bind(kind.as_str()).bind(id);
            let Some(row) = query.fetch_optional(&mut *db).await.map_err(failed)? else {
                return Ok(false);
            };
            let pepper = get(&row, "pepper")?;
            let verified = Peppers::verifies(peppers, &row.digest()?, pepper, presented)?;
            if !verified || !Peppers::is_outdated(peppers, pepper) {
                return Ok(false);
            }
            let (kept, pepper) = Peppers::keep(peppers, presented);
            let query = sql
                .rehash
                .query()
                .bind(kind.as_str())
                .bind(id)
                .bind(kept.to_bytes().to_vec())
                .bind(pepper);
            query.execute(db).await.map_err(failed)?;
            Ok(true)
        })
        .await
    }
}
