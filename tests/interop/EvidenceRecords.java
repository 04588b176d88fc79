import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.operator.DigestCalculator;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TSPException;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampRequestGenerator;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.ers.ERSArchiveTimeStampGenerator;
import org.bouncycastle.tsp.ers.ERSData;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;
import org.bouncycastle.tsp.ers.ERSEvidenceRecordGenerator;
import org.bouncycastle.tsp.ers.ERSException;
import org.bouncycastle.tsp.ers.ERSFileData;

/**
 * Bouncy Castle's evidence records, to hold ours against.
 *
 * <p>verify FILE RECORD ...: a line for each record, what it is and whether it proves its file. make URL OUT FILE ...: for each file OUT/FILE.made.er, the
 * same renewed once as OUT/FILE.stamped.er, and that one under SHA-512 as OUT/FILE.rebuilt.er.
 */
public final class EvidenceRecords {
    private static DigestCalculatorProvider digests;

    public static void main(String[] arguments) throws Exception {
        digests = new JcaDigestCalculatorProviderBuilder().build();
        if (arguments[0].equals("verify")) {
            for (int at = 1; at < arguments.length; at += 2) {
                verify(new File(arguments[at]), Path.of(arguments[at + 1]));
            }
        } else {
            make(arguments[1], Path.of(arguments[2]), List.of(arguments).subList(3, arguments.length));
        }
    }

    private static void verify(File file, Path path) throws Exception {
        String verdict = "verified";
        try {
            ERSEvidenceRecord record = new ERSEvidenceRecord(Files.readAllBytes(path), digests);
            record.validatePresent(new ERSFileData(file), new Date(System.currentTimeMillis() + 1000));
            record.validate(new JcaSimpleSignerInfoVerifierBuilder().build(record.getSigningCertificate()));
        } catch (TSPException | ERSException fault) {
            verdict = fault.getMessage();
        }
        System.out.println(file + "\t" + path + "\t" + verdict);
    }

    private static void make(String url, Path out, List<String> files) throws Exception {
        ERSArchiveTimeStampGenerator generator = new ERSArchiveTimeStampGenerator(
            digests.get(new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256)));
        List<ERSData> data = new ArrayList<>();
        for (String file : files) {
            data.add(new ERSFileData(new File(file)));
        }
        generator.addAllData(data);
        TimeStampResponse response = ask(url, generator.generateTimeStampRequest(requests()));
        List<ERSEvidenceRecord> records =
            new ERSEvidenceRecordGenerator(digests).generate(generator.generateArchiveTimeStamps(response));
        for (int at = 0; at < files.size(); at++) {
            String name = new File(files.get(at)).getName();
            ERSEvidenceRecord made = records.get(at);
            Files.write(out.resolve(name + ".made.er"), made.getEncoded());
            ERSEvidenceRecord stamped =
                made.renewTimeStamp(ask(url, made.generateTimeStampRenewalRequest(requests())));
            Files.write(out.resolve(name + ".stamped.er"), stamped.getEncoded());
            DigestCalculator sha512 = digests.get(new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha512));
            ERSEvidenceRecord rebuilt = stamped.renewHash(
                sha512, data.get(at), ask(url, stamped.generateHashRenewalRequest(sha512, data.get(at), requests())));
            Files.write(out.resolve(name + ".rebuilt.er"), rebuilt.getEncoded());
        }
    }

    private static TimeStampRequestGenerator requests() {
        TimeStampRequestGenerator generator = new TimeStampRequestGenerator();
        generator.setCertReq(true);
        return generator;
    }

    private static TimeStampResponse ask(String url, TimeStampRequest request) throws Exception {
        HttpRequest post = HttpRequest.newBuilder(URI.create(url))
            .header("Content-Type", "application/timestamp-query")
            .POST(HttpRequest.BodyPublishers.ofByteArray(request.getEncoded()))
            .build();
        HttpResponse<byte[]> answer =
            HttpClient.newHttpClient().send(post, HttpResponse.BodyHandlers.ofByteArray());
        if (answer.statusCode() != 200) {
            throw new IOException("The authority answered " + answer.statusCode());
        }
        TimeStampResponse response = new TimeStampResponse(answer.body());
        response.validate(request);
        return response;
    }
}
