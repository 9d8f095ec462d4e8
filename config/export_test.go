package config

// Parse is Load of a file called ocigate.yaml with that content; readFile reads the
// files of secrets.
func Parse(raw []byte, environ []string, readFile func(string) ([]byte, error)) (*Config, error) {
	return parse("ocigate.yaml", raw, environ, readFile)
}

// Distance returns the number of mistakes between two words.
var Distance = distance
