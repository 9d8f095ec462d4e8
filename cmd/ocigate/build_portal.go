package main

import (
	"ocigate/config"
	"ocigate/gateway"
)

// corsOptions returns the pages of other origins that may use the API.
func corsOptions(c config.CORS) gateway.CORS {
	o := gateway.CORS{Credentials: c.Credentials, MaxAge: c.MaxAge}
	for _, origin := range c.Origins {
		o.Origins = append(o.Origins, string(origin))
	}
	return o
}
