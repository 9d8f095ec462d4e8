package translate

// maxCredentialLength is in characters, and more than the platform accepts.
const maxCredentialLength = 256

// LoginShape is the request body of a login.
var LoginShape = &Shape{Name: "Credentials", Fields: []Field{
	{Key: "username", Kind: Text, Min: 1, Max: maxCredentialLength, Example: "groupadmin", Doc: "The id of a user or an administrator of the platform."},
	{Key: "password", Kind: Text, Min: 1, Max: maxCredentialLength, Example: "groupadmin-demo", Doc: "Their password on the platform."},
}}

// DecodeLogin decodes the request body of a login,
// {"username":"…","password":"…"}, as strictly as any other body. Its error is of
// type [*errcode.Error] and names every problem.
func DecodeLogin(body []byte) (username, password string, err error) {
	in, err := LoginShape.Decode(body)
	if err != nil {
		return "", "", err
	}
	return in.Text("username"), in.Text("password"), nil
}
