package config

// Parse is Load without the file system, of a file called ocigate.yaml.
func Parse(raw []byte, environ []string, readFile func(string) ([]byte, error)) (*Config, error) {
	return parse("ocigate.yaml", raw, environ, readFile)
}

// Distance is the number of mistakes between two words.
var Distance = distance
