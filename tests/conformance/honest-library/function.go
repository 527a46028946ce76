// What honest code uses of the language's own library. Each idiom is nil, or says what is wrong.
package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/csv"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"image"
	"image/png"
	"io"
	"log"
	"math/big"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"time"
	"unicode"
)

// all is the first error, or one where a condition doesn't hold.
func all(holds bool, errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if !holds {
		return fmt.Errorf("not as expected")
	}
	return nil
}

var text = []byte(strings.Repeat("Grüße ", 10_000))

var idioms = map[string]func() error{
	"gzip": func() error {
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		_, err := writer.Write(text)
		other := writer.Close()
		reader, third := gzip.NewReader(&packed)
		back, fourth := io.ReadAll(reader)
		return all(bytes.Equal(back, text), err, other, third, fourth)
	},
	"deflate": func() error {
		var packed bytes.Buffer
		writer, err := flate.NewWriter(&packed, 9)
		_, other := writer.Write(text)
		third := writer.Close()
		back, fourth := io.ReadAll(flate.NewReader(&packed))
		return all(bytes.Equal(back, text), err, other, third, fourth)
	},
	"hashes": func() error {
		sum := sha256.Sum256([]byte("a"))
		mac := hmac.New(sha256.New, []byte("k"))
		return all(strings.HasPrefix(hex.EncodeToString(sum[:]), "ca978112") && mac.Size() == 32)
	},
	"ciphers": func() error {
		block, err := aes.NewCipher(make([]byte, 32))
		sealer, other := cipher.NewGCM(block)
		back, third := sealer.Open(nil, make([]byte, 12), sealer.Seal(nil, make([]byte, 12), text, nil), nil)
		return all(bytes.Equal(back, text), err, other, third)
	},
	"signatures": func() error {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		rsaKey, other := rsa.GenerateKey(rand.Reader, 2048)
		return all(ed25519.Verify(public, text, ed25519.Sign(private, text)) && rsaKey.Validate() == nil, err, other)
	},
	"certificates": func() error {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a"}, NotAfter: time.Now().Add(time.Hour)}
		made, other := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		read, third := x509.ParseCertificate(made)
		return all(read.Subject.CommonName == "a", err, other, third)
	},
	"JSON": func() error {
		var value struct {
			A []*float64 `json:"a"`
		}
		err := json.Unmarshal([]byte(`{"a": [1.5, null]}`), &value)
		return all(len(value.A) == 2 && value.A[1] == nil, err)
	},
	"XML and CSV": func() error {
		var value struct {
			B int `xml:"b"`
		}
		err := xml.Unmarshal([]byte("<a><b>1</b></a>"), &value)
		rows, other := csv.NewReader(strings.NewReader("a,\"b\"\"\"\n")).ReadAll()
		return all(value.B == 1 && rows[0][1] == `b"`, err, other)
	},
	"other formats": func() error {
		var coded bytes.Buffer
		err := gob.NewEncoder(&coded).Encode(map[string]int{"a": 1})
		var value map[string]int
		other := gob.NewDecoder(&coded).Decode(&value)
		return all(value["a"] == 1 && base64.StdEncoding.EncodeToString([]byte("hi")) == "aGk=", err, other)
	},
	"templates": func() error {
		var page bytes.Buffer
		err := template.Must(template.New("").Parse("<b>{{.}}</b>")).Execute(&page, "<")
		return all(page.String() == "<b>&lt;</b>", err)
	},
	"expressions": func() error {
		return all(regexp.MustCompile(`(\d{4})`).FindStringSubmatch("in 2024")[1] == "2024" && unicode.IsUpper('Ä'))
	},
	"numbers": func() error {
		power := new(big.Int).Exp(big.NewInt(2), big.NewInt(1000), nil)
		numbers := []int{3, 1, 2}
		sort.Ints(numbers)
		return all(power.BitLen() == 1001 && numbers[0] == 1)
	},
	"pictures": func() error {
		var file bytes.Buffer
		err := png.Encode(&file, image.NewRGBA(image.Rect(0, 0, 100, 100)))
		read, other := png.Decode(&file)
		return all(read.Bounds().Dx() == 100, err, other)
	},
	"dates, addresses, logs": func() error {
		at, err := time.Parse(time.RFC3339, "2024-02-29T10:00:00+09:00")
		address, other := url.Parse("https://example.com/a?b=c%20d")
		var lines bytes.Buffer
		log.New(&lines, "", 0).Print("said")
		return all(at.UTC().Hour() == 1 && address.Query().Get("b") == "c d" && lines.String() == "said\n", err, other)
	},
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	failed := map[string]string{}
	for name, idiom := range idioms {
		if err := attempt(idiom); err != nil {
			failed[name] = err.Error()
		}
	}
	return map[string]interface{}{"count": len(idioms), "failed": failed}, nil
}

func attempt(idiom func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return idiom()
}
