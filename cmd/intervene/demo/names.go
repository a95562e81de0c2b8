package demo

// customerNames are how customers call themselves on WhatsApp: in the scripts of their
// own languages, which an agent's page must cope with.
var customerNames = []string{
	"Amélie Laurent", "प्रिया शर्मा", "João Pereira", "نور الهاشمي", "María José Fernández", "Kwame Mensah", "Zsófia Kovács",
	"राहुल वर्मा", "Lucía Ortega", "عمر بن سالم", "Ngozi Okafor", "יעל כהן", "Beatriz Nogueira", "陈美玲", "Olivia Bennett",
	"अनन्या अय्यर", "Søren Holm", "ليلى منصور", "Diego Ramírez", "Thị Hương Nguyễn", "Ivan Petrović", "佐藤 陽菜", "Fatima Zahra",
	"Rafael Almeida", "김서연", "Ελένη Παπαδοπούλου", "मोहम्मद आरिफ़", "Grace Mwangi", "Юлия Соколова", "Carlos Eduardo Lima", "یوسف رضایی",
	"Aoife O’Brien", "সুমন দাস", "Ömer Yıldız", "Ingrid Bjørnsdóttir", "தமிழ்செல்வி முருகன்", "Chloé Dubois", "דוד לוי", "Mateus Rocha",
	"Leila Haddad 🌸", "สมชาย ใจดี",
}

// nameOf is the name of customer number ordinal. Some share one, as people do.
func nameOf(ordinal int) string { return customerNames[ordinal%len(customerNames)] }
