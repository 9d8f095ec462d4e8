package main

import (
	"ocigate/config"
	"ocigate/gateway/operation/postgres"
)

// warnings returns the settings of a valid configuration that are not secure, each with its
// place: those of [config.Config.Warnings], and a journal's database that is reached without
// verified TLS.
func warnings(c *config.Config) []config.Problem {
	list := c.Warnings()
	if c.Journal.Store != config.StorePostgres {
		return list
	}
	if weakness := postgres.Weakness(c.Journal.PostgresURL.Reveal()); weakness != "" {
		list = append(list, c.Problem(postgresKey, weakness+"; set sslmode=verify-full"))
	}
	return list
}

// logWarnings logs each setting of the effective configuration that is not secure.
func (p *Program) logWarnings() {
	for _, w := range warnings(p.configOf()) {
		p.logger.Warn("a setting is not secure", "cause", w.String())
	}
}

// nameSecurity is the name of the check for a setting that is not secure.
const nameSecurity = "security"

// noteWarnings adds a check for each setting that is not secure.
func (d *doctor) noteWarnings() {
	for _, w := range warnings(d.config) {
		c := check{Name: nameSecurity, Of: w.Path, Tried: "read " + d.file}
		d.report.note(c, 0, d.place(w.Path)+" "+w.Reason, "change it, unless nobody else can use the network in between")
	}
}
