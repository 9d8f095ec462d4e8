//go:build unix

package postgres

import (
	"testing"

	"ocigate/gateway/operation/storetest"
)

// The README says how much the tables grow.
func TestGrowthIsThatOfTheReadme(t *testing.T) {
	operations, trail := map[string]float64{}, map[string]float64{}
	for _, g := range storetest.Growths() {
		_, address := database(t)
		s := open(t, address, Options{})
		sizes := func() (ofOperations, ofTrail int64) {
			// What was replaced is reused, which takes the server some time.
			for _, table := range []string{"ocigate_operations", "ocigate_keys", "ocigate_holds", "ocigate_audit"} {
				_, err := s.pool.Exec(t.Context(), "VACUUM FULL "+table)
				must(t, err)
			}
			must(t, s.pool.QueryRow(t.Context(), `SELECT
				pg_total_relation_size('ocigate_operations') + pg_total_relation_size('ocigate_keys') + pg_total_relation_size('ocigate_holds'),
				pg_total_relation_size('ocigate_audit')`).Scan(&ofOperations, &ofTrail))
			return ofOperations, ofTrail
		}
		must(t, s.Check(t.Context()))
		emptyOperations, emptyTrail := sizes()
		g.Grow(t, s)
		ofOperations, ofTrail := sizes()
		operations[g.Column] = float64(ofOperations-emptyOperations) / float64(g.Times)
		trail[g.Column] = float64(ofTrail-emptyTrail) / float64(g.Times)
	}
	storetest.WantReadme(t, "PostgreSQL: operations, with their indexes", operations)
	storetest.WantReadme(t, "PostgreSQL: audit trail", trail)
}
